package dashboard

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"

	"haat/internal/shop"
	"haat/internal/web"
	"haat/internal/web/design"
	"haat/internal/web/storefront"
)

// The theme's editor shows the shop's home page in a frame, in colours that
// are not saved yet. It is the storefront's own page, served from here without
// scripts, and only to be framed by the editor.
const previewPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"

// framing lets the editor frame a page of this host.
const framing = web.ContentSecurityPolicy + "; frame-src 'self'"

var themeLink = regexp.MustCompile(`href="/theme-[0-9A-Za-z_-]+\.css"`)

var moduleTag = regexp.MustCompile(`<script[^>]* src="[^"]*"[^>]*></script>`)

// captured is a page that is changed before it is sent.
type captured struct {
	head http.Header
	code int
	body bytes.Buffer
}

func (c *captured) Header() http.Header         { return c.head }
func (c *captured) WriteHeader(code int)        { c.code = code }
func (c *captured) Write(b []byte) (int, error) { return c.body.Write(b) }

func (d *desk) preview() error {
	r, err := http.NewRequestWithContext(d.ctx(), http.MethodGet, "http://"+d.room.Host()+storefront.PathHome, nil)
	if err != nil {
		return err
	}
	r.RemoteAddr = d.r.RemoteAddr
	page := &captured{head: http.Header{}, code: http.StatusOK}
	d.shops.ServeHTTP(page, r)
	sheet := "href=\"" + html.EscapeString(d.base+"/settings/theme/preview.css?"+d.unsaved().Encode()) + "\""
	body := moduleTag.ReplaceAllLiteral(page.body.Bytes(), nil)
	if themeLink.Match(body) {
		body = themeLink.ReplaceAllLiteral(body, []byte(sheet))
	} else {
		body = bytes.Replace(body, []byte("</head>"), []byte(`<link rel="stylesheet" `+sheet+"></head>"), 1)
	}
	h := d.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Security-Policy", previewPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	d.w.WriteHeader(page.code)
	if _, err := d.w.Write(body); err != nil {
		d.Log.Debug("a preview was cut off", "err", err)
	}
	return nil
}

// unsaved gives the colours and the type that the editor asks to see.
func (d *desk) unsaved() url.Values {
	out := url.Values{}
	for _, name := range []string{"accent", "background", "text", "font"} {
		if v := d.form(name); v != "" {
			out.Set(name, v)
		}
	}
	return out
}

// previewCSS is the stylesheet of the preview: the stored theme with what is
// asked for instead. Links in it lead nowhere.
func (d *desk) previewCSS() error {
	s, err := shop.ForPage.Do(d.ctx(), d.room, d.by, shop.PageIn{})
	if err != nil {
		return err
	}
	t := design.Theme{Accent: s.Theme.Accent, Background: s.Theme.Background, Text: s.Theme.Text, Font: s.Theme.Font}
	for name, to := range map[string]*string{"accent": &t.Accent, "background": &t.Background, "text": &t.Text, "font": &t.Font} {
		if v := d.form(name); v != "" {
			*to = v
		}
	}
	css, err := design.ThemeCSS(t)
	if err != nil {
		css = nil // colours that nobody could read, or that are none: the plain look
	}
	d.w.Header().Set("Content-Type", "text/css; charset=utf-8")
	d.w.Header().Set("Cache-Control", "private, no-store")
	_, err = fmt.Fprintf(d.w, "%s\nbody { pointer-events: none }\n", css)
	if err != nil {
		d.Log.Debug("a stylesheet was cut off", "err", err)
	}
	return nil
}
