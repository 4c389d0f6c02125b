package dashboard

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// go test ./internal/web/dashboard -run Gallery -gallery DIR writes every
// page, with its assets and pictures, to be served from DIR and looked at.
var galleryDir = flag.String("gallery", "", "write every page as a file below this folder")

var (
	inlineStyle  = regexp.MustCompile(`(?i)<style|\sstyle=`)
	inlineScript = regexp.MustCompile(`(?i)\son[a-z]+="|<script>|javascript:`)
	someID       = regexp.MustCompile(`\sid="([^"]*)"`)
	postForm     = regexp.MustCompile(`(?is)<form[^>]*method="post".*?</form>`)
	labelFor     = regexp.MustCompile(`<label[^>]*\sfor="([^"]*)"`)
)

// TestGallery draws every page with little, much and absurd content and
// checks what no page may get wrong.
func TestGallery(t *testing.T) {
	for name, page := range gallery() {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := page.Render(context.Background(), &b); err != nil {
				t.Fatal(err)
			}
			html := b.String()
			if m := inlineStyle.FindString(html); m != "" {
				t.Errorf("inline style, which the content security policy forbids: %q", m)
			}
			if m := inlineScript.FindString(html); m != "" {
				t.Errorf("inline script, which the content security policy forbids: %q", m)
			}
			seen := map[string]bool{}
			for _, m := range someID.FindAllStringSubmatch(html, -1) {
				if seen[m[1]] {
					t.Errorf("id %q occurs twice", m[1])
				}
				seen[m[1]] = true
			}
			for _, m := range labelFor.FindAllStringSubmatch(html, -1) {
				if !seen[m[1]] {
					t.Errorf("a label is for %q, which is not there", m[1])
				}
			}
			for _, form := range postForm.FindAllString(html, -1) {
				if !strings.Contains(form, `name="csrf"`) {
					t.Errorf("a form posts without csrf: %.120s", form)
				}
			}
			if n := strings.Count(html, "<h1"); n != 1 {
				t.Errorf("%d h1 headings", n)
			}
			if n := strings.Count(html, "btn-primary"); n > 3 {
				t.Errorf("%d primary buttons on one page", n)
			}
			if *galleryDir != "" {
				save(t, name+".html", []byte(html))
			}
		})
	}
	if *galleryDir == "" {
		return
	}
	for i := range 12 {
		save(t, fmt.Sprintf("pictures/%d.svg", i), drawing(i))
	}
	for _, name := range []string{
		"dashboard.css", "paper-a4.css", "paper-a6.css", "page.js", "live.js", "upload.js", "grid.js",
		"order.js", "variants.js", "theme.js", "slug.js",
	} {
		f, _ := Files.File(Files.URL(name))
		save(t, strings.TrimPrefix(f.Path, "/"), f.Body)
	}
}

func save(t *testing.T, name string, body []byte) {
	t.Helper()
	path := filepath.Join(*galleryDir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
}

// drawing is a picture of a pot, to stand for a product's.
func drawing(i int) []byte {
	grounds := []string{"#e8ddcf", "#dfe6e4", "#efe1dc", "#e5e4ee", "#f2ead2", "#dde7ee"}
	glazes := []string{"#2f5d7c", "#b4552d", "#55734a", "#7a3b52", "#3d3a36", "#c08a2d"}
	width := 90 + i%4*25
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" width="400" height="400"><rect width="400" height="400" fill="%s"/><ellipse cx="200" cy="318" rx="%d" ry="14" fill="#000" opacity=".12"/><path d="M%d 110h%dl-16 30c50 30 50 120-10 175h-%dc-60-55-60-145-10-175z" fill="%s"/><path d="M%d 110h%d" stroke="#fff" stroke-width="6" opacity=".35"/></svg>`,
		grounds[i%6], width, 200-width/2, width, width-52, glazes[(i*5+1)%6], 204-width/2, width-8)
}
