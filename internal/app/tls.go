package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"haat/internal/edge"
	"haat/internal/meter"
	"haat/internal/web"
)

// certificate reads the pair that the settings name; nil if they name none.
func (c *Config) certificate() (*edge.Certificate, error) {
	if !c.TLS.On() {
		return nil, nil
	}
	cert, err := edge.OpenCertificate(c.TLS.Cert, c.TLS.Key, c.Domain(), "*."+c.Domain())
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	return cert, nil
}

// usable refuses settings that cannot be served.
func usable(c Config) error { // a copy: Finish is for once
	if err := c.Finish(); err != nil {
		return err
	}
	_, err := c.certificate()
	return err
}

// serveTLS opens the address for TLS and serves it. Its connections and those
// of the public address share one bound.
func (a *App) serveTLS(h http.Handler, failed chan<- error) (*http.Server, error) {
	l, err := net.Listen("tcp", a.cfg.TLS.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", a.cfg.TLS.Listen, err)
	}
	c := a.crowd.Load()
	srv := server(h, c, a.log)
	srv.TLSConfig = &tls.Config{GetCertificate: a.cert.Load().Get, MinVersion: tls.VersionTLS12}
	go func() { failed <- srv.ServeTLS(besides{l, c}, "", "") }()
	return srv, nil
}

// toTLS sends everybody to the same page over TLS; what a load balancer asks
// is answered.
func (a *App) toTLS(next http.Handler) http.Handler {
	port := ""
	if u, err := url.Parse(a.cfg.URL); err == nil && u.Port() != "" {
		port = ":" + u.Port()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
			next.ServeHTTP(w, r)
			return
		}
		to := a.cfg.Domain()
		if host := web.Host(r); host != to {
			if _, ok := a.fleet.SlugOfHost(host); ok {
				to = host
			}
		}
		status := http.StatusPermanentRedirect // which keeps method and body
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			status = http.StatusMovedPermanently
		}
		at := r.URL.RequestURI()
		if !strings.HasPrefix(at, "/") { // OPTIONS *
			at = "/"
		}
		w.Header().Set("Connection", "close")
		w.Header().Set("Location", "https://"+to+port+at)
		w.WriteHeader(status)
	})
}

// watchCertificate takes a new pair when there is one.
func (a *App) watchCertificate(context.Context) error {
	if c := a.cert.Load(); c != nil {
		a.seeCertificate(c, time.Now())
	}
	return nil
}

func (a *App) seeCertificate(c *edge.Certificate, now time.Time) {
	var failing, expiring, expired []meter.Sighting
	if err := c.Look(); err != nil {
		failing = append(failing, meter.Sighting{Subject: a.cfg.TLS.Cert, Detail: sentence(err)})
	}
	switch at, soon := c.Ends(now); {
	case !now.Before(at):
		expired = append(expired, meter.Sighting{Subject: a.cfg.TLS.Cert, Since: at, Detail: fmt.Sprintf("It ran out on %s.", at.UTC().Format(time.RFC1123))})
	case soon:
		expiring = append(expiring, meter.Sighting{Subject: a.cfg.TLS.Cert, Detail: fmt.Sprintf("It runs out on %s.", at.UTC().Format(time.RFC1123))})
	}
	a.incidents.See(certFailing, failing)
	a.incidents.See(certExpiring, expiring)
	a.incidents.See(certExpired, expired)
}
