package dashboard

import (
	"os"
	"strings"
	"testing"
)

func TestReadOpenAPI(t *testing.T) {
	doc, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	api, err := ReadOpenAPI(doc, "http://localhost:8080/")
	if err != nil {
		t.Fatal(err)
	}
	if len(api.Groups) != 3 || api.Groups[1].Name != "catalog" || api.Groups[1].About == "" {
		t.Fatalf("groups: %+v", api.Groups)
	}
	var set APIOperation
	for _, o := range api.Groups[1].Operations {
		if o.Method == "PUT" {
			set = o
		}
	}
	if !set.Token || set.Parameters[0].In != "path" || set.Parameters[len(set.Parameters)-1].In != "header" {
		t.Errorf("parameters of a guarded operation, path first and headers last: %+v", set.Parameters)
	}
	if len(set.Body) != 3 || set.Body[0].Name != "price" || set.Body[1].Depth != 1 || set.Body[2].About != "At least 3 characters, at most 3 characters." {
		t.Errorf("a body's inner fields follow the field that holds them: %+v", set.Body)
	}
	for _, want := range []string{"-X PUT 'http://localhost:8080/api/v1/", "Bearer $TOKEN", `{"price":{"amount":49900,"currency":"INR"}}`} {
		if !strings.Contains(set.Curl, want) {
			t.Errorf("curl lacks %q:\n%s", want, set.Curl)
		}
	}
	// Variant holds Product, which holds Variants: reading must end.
	if n := len(set.Answers[0].Fields); n == 0 || n > 50 {
		t.Errorf("%d fields of a schema that contains itself", n)
	}
}

func TestReadOpenAPIRefusesOtherText(t *testing.T) {
	if _, err := ReadOpenAPI([]byte("<html>"), ""); err == nil {
		t.Error("no error for something that is not JSON")
	}
}

func TestQRPath(t *testing.T) {
	q := QR{Modules: [][]bool{{true, true, false}, {false, false, true}}}
	if got := q.path(); got != "M0 0h2v1h-2zM2 1h1v1h-1z" {
		t.Errorf("path: %s", got)
	}
}
