// Package smtp sends a notify.Message as an e-mail through a mail server.
//
// Mails are plain text. The Message-ID is made of the message's id, so that a
// mail sent twice after a crash is one and the same to those who compare. The
// connection is encrypted: from the start on port 465, by STARTTLS otherwise,
// which only a server on this machine may do without.
package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"haat/internal/notify"
)

// Config says which server and as whom.
type Config struct {
	Host           string
	Port           int         // 0 means 587
	User, Password string      // without User nobody signs in
	From           string      // the address mails come from, with or without a name
	Implicit       bool        // TLS from the first byte; always so on port 465
	TLS            *tls.Config // nil: the system's authorities
}

// Sender sends mails, each over a connection of its own.
type Sender struct {
	config Config
	from   *mail.Address
	domain string // of From, for Message-IDs
}

// New makes a Sender. It does not connect.
func New(c Config) (*Sender, error) {
	if c.Port == 0 {
		c.Port = 587
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.TLS = c.TLS.Clone(); c.TLS.ServerName == "" {
		c.TLS.ServerName = c.Host
	}
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("the sender of mails, %q: %w", c.From, err)
	}
	s := &Sender{config: c, from: from, domain: from.Address[strings.LastIndexByte(from.Address, '@')+1:]}
	if _, err := s.client(s.dial); err != nil {
		return nil, fmt.Errorf("mail server %s: %w", c.Host, err)
	}
	return s, nil
}

func (s *Sender) client(dial gomail.DialContextFunc) (*gomail.Client, error) {
	c := s.config
	options := []gomail.Option{
		gomail.WithPort(c.Port), gomail.WithTimeout(15 * time.Second), gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithDialContextFunc(dial),
		gomail.WithTLSConfig(c.TLS),
	}
	if s.implicit() || local(c.Host) {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	}
	if c.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(c.User), gomail.WithPassword(c.Password))
	}
	return gomail.NewClient(c.Host, options...)
}

func (s *Sender) implicit() bool { return s.config.Implicit || s.config.Port == 465 }

func (s *Sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.implicit() {
		d := tls.Dialer{Config: s.config.TLS}
		return d.DialContext(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send sends m. What the server has against the address or the text is
// notify.Refused, or notify.Postponed if it is for now only; everything else
// (no connection, no sign-in, our own address unwelcome) is the server's or
// ours to mend.
func (s *Sender) Send(ctx context.Context, m notify.Message) error {
	msg, err := s.compose(m)
	if err != nil {
		return notify.Refused(err)
	}
	// The library heeds ctx only while it connects, and leaves some connections
	// open that it could not use: so ours end with ctx, and ctx with us.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := s.client(func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dial(dialing, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	})
	if err != nil {
		return err
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if msg.IsDelivered() {
		return nil // whatever went wrong while saying goodbye
	}
	var e *gomail.SendError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Reason {
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPDataClose:
	default:
		return err
	}
	switch code := e.ErrorCode(); {
	case code >= 500 && code < 600:
		return notify.Refused(err)
	case code == 450 || code == 451 || code == 452:
		return notify.Postponed(err)
	}
	return err
}

func (s *Sender) compose(m notify.Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	from := *s.from
	if m.From != "" {
		from.Name = m.From
	}
	msg.FromMailAddress(&from)
	if err := msg.AddTo(m.To); err != nil {
		return nil, err
	}
	if m.ReplyTo != "" {
		if err := msg.ReplyToFormat(from.Name, m.ReplyTo); err != nil {
			return nil, err
		}
	}
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.ID.String() + "@" + s.domain)
	msg.SetDate()
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	return msg, nil
}
