package event

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Access is how brokers let haat in.
type Access struct {
	TLS            *tls.Config // nil: what is said to them is not encrypted
	User, Password string      // no user: nobody signs in
	Mechanism      string      // of signing in: one of Mechanisms; empty is the first
}

const dialTimeout = 3 * time.Second

// Mechanisms are the ways of signing in.
var Mechanisms = []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"}

func (a Access) mechanism() sasl.Mechanism {
	login := scram.Auth{User: a.User, Pass: a.Password}
	switch a.Mechanism {
	case "", Mechanisms[0]:
		return login.AsSha512Mechanism()
	case Mechanisms[1]:
		return login.AsSha256Mechanism()
	case Mechanisms[2]:
		return plain.Auth{User: a.User, Pass: a.Password}.AsMechanism()
	}
	return nil
}

func (a Access) check() error {
	if a.User != "" && a.mechanism() == nil {
		return fmt.Errorf("nobody can sign in by %q: take one of %s", a.Mechanism, strings.Join(Mechanisms, ", "))
	}
	return nil
}

func (a Access) options() (all []kgo.Opt) {
	if a.TLS != nil {
		dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: a.TLS}
		all = append(all, kgo.Dialer(dialer.DialContext))
	} else {
		all = append(all, kgo.DialTimeout(dialTimeout))
	}
	if a.User != "" {
		all = append(all, kgo.SASL(a.mechanism()))
	}
	return all
}

// plain says in one line what is wrong with the access, if that is what an error
// comes from; else it is the error.
func (a Access) plain(err error) error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var expired x509.CertificateInvalidError
	var header tls.RecordHeaderError
	switch {
	case err == nil:
	case errors.As(err, &unknown):
		return fmt.Errorf("nobody whom haat trusts has signed the brokers' certificate: give theirs with --kafka-ca (%w)", err)
	case errors.As(err, &host), errors.As(err, &expired):
		return fmt.Errorf("the brokers' certificate does not hold: %w", err)
	case errors.As(err, &header):
		return fmt.Errorf("the brokers speak no TLS there: leave out --kafka-tls, or take their other port (%w)", err)
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Errorf("the brokers refuse the user %q or the password: see --kafka-user, --kafka-password and --kafka-mechanism (%w)", a.User, err)
	case errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return fmt.Errorf("the brokers know no sign-in of this kind there: see --kafka-mechanism (%w)", err)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("the brokers do not let the user %q do that: %w", a.User, err)
	}
	return err
}
