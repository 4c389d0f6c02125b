package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// Cookies writes and reads cookies that nobody else can make. All are
// host-only, HttpOnly and SameSite=Lax.
type Cookies struct {
	key    []byte
	secure bool
}

// NewCookies signs with key, and marks cookies Secure when the platform is
// reached over HTTPS.
func NewCookies(key []byte, secure bool) *Cookies { return &Cookies{key, secure} }

func (c *Cookies) mac(name, host, value string) string {
	h := hmac.New(sha256.New, c.key)
	for _, s := range []string{name, host, value} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// Set writes a cookie for the request's host. An age of 0 lasts until the
// browser closes.
func (c *Cookies) Set(w http.ResponseWriter, r *http.Request, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value + "." + c.mac(name, Host(r), value), Path: "/", MaxAge: int(age / time.Second),
		HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode,
	})
}

// Get reads a cookie that Set wrote for this host; empty if there is none.
func (c *Cookies) Get(r *http.Request, name string) string {
	k, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	i := strings.LastIndexByte(k.Value, '.')
	if i < 0 || !hmac.Equal([]byte(k.Value[i+1:]), []byte(c.mac(name, Host(r), k.Value[:i]))) {
		return ""
	}
	return k.Value[:i]
}

// Clear removes a cookie.
func (c *Cookies) Clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode})
}

// Host is the request's host name in lower case, without port.
func Host(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.TrimSuffix(host, ".")
}
