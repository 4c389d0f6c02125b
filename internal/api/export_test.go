package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Half a file is not taken for a whole one: what fails after the file has
// begun breaks the answer off, and what fails before is an answer like others.
func TestAFileThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	failed := errors.New("the disk has gone")
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := sendFile(w, "a.csv", "head,", func(out io.Writer) error {
			if r.URL.Path == "/early" {
				return failed
			}
			if _, err := out.Write(bytes.Repeat([]byte("x"), 100_000)); err != nil {
				return err
			}
			if r.URL.Path == "/late" {
				return failed
			}
			return nil
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
		}
	}))
	defer site.Close()
	for path, want := range map[string]struct {
		status, size int
		broken       bool
	}{"/early": {http.StatusTeapot, len("the disk has gone\n"), false}, "/late": {200, 100_005, true}, "/whole": {200, 100_005, false}} {
		resp, err := http.Get(site.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want.status || (err != nil) != want.broken || !want.broken && len(b) != want.size {
			t.Errorf("%s: %d, %d bytes, %v", path, resp.StatusCode, len(b), err)
		}
	}
}
