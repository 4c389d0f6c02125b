package design

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// AssetPath is where every host serves assets from.
const AssetPath = "/assets/"

//go:embed css
var css embed.FS

// CSS gives the source of the shared part of the system, tokens and base
// components, in the order a page must load them. A surface appends its own
// stylesheet, so that a page asks for one file.
func CSS() []byte { return join("css/tokens.css", "css/base.css") }

// FormsCSS gives the source of what takes an order or keeps a record: the
// longer parts of forms, and cards. It needs CSS before it.
func FormsCSS() []byte { return join("css/forms.css") }

// PanelCSS is CSS and FormsCSS with what only merchants and operators see:
// tables, figures and charts.
func PanelCSS() []byte {
	return join("css/tokens.css", "css/base.css", "css/forms.css", "css/panel.css", "css/charts.css")
}

func join(names ...string) []byte {
	var b bytes.Buffer
	for _, name := range names {
		b.Write(must(css.ReadFile(name)))
	}
	return b.Bytes()
}

// An Asset is one file that never changes at its address.
type Asset struct {
	Path string // "/assets/storefront-1f2e3d4c5b.css"
	Type string // Content-Type
	Body []byte
	gzip func() []byte
}

// Gzip gives Body compressed at the best level, or nothing where that does not
// pay. It is compressed when it is asked for first: a process that serves no
// page does not pay for it.
func (f *Asset) Gzip() []byte { return f.gzip() }

// Assets are the files of one surface, served under addresses that contain
// the hash of their content. The zero value is not usable; see NewAssets.
type Assets struct {
	byName map[string]*Asset
	byPath map[string]*Asset
}

// NewAssets makes an empty set.
func NewAssets() *Assets {
	return &Assets{byName: map[string]*Asset{}, byPath: map[string]*Asset{}}
}

// Add puts one file into the set under a plain name such as "dashboard.css".
// CSS is minified. It panics on a type it does not know, since names are
// constants of the program.
func (a *Assets) Add(name string, body []byte) *Assets {
	kind := contentType(name)
	if strings.HasSuffix(name, ".css") {
		body = Minify(body)
	}
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	f := &Asset{
		Path: AssetPath + strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:5]) + ext,
		Type: kind, Body: body,
		gzip: sync.OnceValue(func() []byte {
			if z := compress(body); len(z) < len(body)*9/10 {
				return z
			}
			return nil
		}),
	}
	a.byName[name], a.byPath[f.Path] = f, f
	return a
}

// AddFS adds every file under dir of an embedded tree, named by its base name.
func (a *Assets) AddFS(tree fs.FS, dir string) *Assets {
	entries := must(fs.ReadDir(tree, dir))
	for _, e := range entries {
		if !e.IsDir() {
			a.Add(e.Name(), must(fs.ReadFile(tree, path.Join(dir, e.Name()))))
		}
	}
	return a
}

// URL gives the address of a file by its plain name. It panics if there is no
// such file: a page that names one is wrong.
func (a *Assets) URL(name string) string {
	f, ok := a.byName[name]
	if !ok {
		panic("design: no asset named " + name)
	}
	return f.Path
}

// File finds what to serve for a request path. Answer it with
// Cache-Control: public, max-age=31536000, immutable.
func (a *Assets) File(urlPath string) (*Asset, bool) {
	f, ok := a.byPath[urlPath]
	return f, ok
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".webp":
		return "image/webp"
	case ".png":
		return "image/png"
	case ".speculationrules":
		return "application/speculationrules+json"
	case ".webmanifest":
		return "application/manifest+json"
	}
	panic("design: no content type for " + name)
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w := must(gzip.NewWriterLevel(&b, gzip.BestCompression))
	must(w.Write(body))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("design: %v", err))
	}
	return v
}

// Serve answers with the file, to be kept for ever.
func (f *Asset) Serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Add("Vary", "Accept-Encoding")
	body := f.Body
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && len(f.Gzip()) > 0 {
		h.Set("Content-Encoding", "gzip")
		body = f.Gzip()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
