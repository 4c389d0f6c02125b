package e2e

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestMain lets this binary stand in for haat when it is started like it, so
// that the harness can be tested by itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := standIn(os.Args[2:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func standIn(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen, data := flags.String("listen", "", ""), flags.String("data", "", "")
	flags.String("ops-listen", "", "")
	flags.Bool("dev", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if strings.HasSuffix(*data, "bad") {
		return fmt.Errorf("cannot use %s", *data)
	}
	asked := 0
	http.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/dev/messages", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"items":[{"to":"+919876543210","text":"your shop"},{"to":"+919876543210","code":"123456"}]}`)
	})
	fmt.Println("listening")
	return http.ListenAndServe(*listen, nil)
}

func TestStartWaitsKillsAndStartsAgain(t *testing.T) {
	h, err := Start(t.Context(), os.Args[0], "serve", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	if code, err := h.Code(t.Context(), "+919876543210"); code != "123456" {
		t.Errorf("the code is %q: %v", code, err)
	}
	if h.Log() != "listening" {
		t.Errorf("it printed %q", h.Log())
	}
	h.Kill()
	if _, err := http.Get(h.URL); err == nil {
		t.Error("it answers after being killed")
	}
	if err := h.Again(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "http://tea.localhost:"; !strings.HasPrefix(h.Shop("tea"), want) {
		t.Errorf("a shop is at %s", h.Shop("tea"))
	}
}

func TestStartTellsWhyItCouldNot(t *testing.T) {
	_, err := Start(context.Background(), os.Args[0], "serve", t.TempDir()+"/bad")
	if err == nil || !strings.Contains(err.Error(), "cannot use") {
		t.Errorf("the error is %v", err)
	}
}
