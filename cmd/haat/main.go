// Command haat is a platform for a million online stores.
package main

import (
	"os"

	"haat/internal/app"
)

func main() {
	os.Exit(app.Main(os.Args[1:], os.Stdout, os.Stderr))
}
