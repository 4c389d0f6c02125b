package smtp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/id"
	"haat/internal/notify"
	"haat/internal/notify/smtp"
)

// A server speaks enough of SMTP (RFC 5321) to take mails on a loopback port.
// Answers replaces what it says to a command, such as "RCPT".
type server struct {
	t       *testing.T
	port    int
	answers map[string]string
	tls     *tls.Config // not nil: STARTTLS is offered
	need    string      // the only AUTH PLAIN that is taken

	mu    sync.Mutex
	mails []string // as they came, without dot-stuffing
	from  []string
	to    []string
}

func listen(t *testing.T, answers map[string]string) *server {
	t.Helper()
	return (&server{answers: answers}).open(t, false)
}

func (s *server) open(t *testing.T, implicit bool) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.t, s.port = t, l.Addr().(*net.TCPAddr).Port
	if implicit {
		l, s.tls = tls.NewListener(l, s.tls), nil
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(c) })
		}
	})
	return s
}

func (s *server) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	say := func(command, usual string) bool {
		answer, other := s.answers[command]
		if !other {
			answer = usual
		}
		_, err := io.WriteString(c, answer+"\r\n")
		return err == nil && answer[0] != '4' && answer[0] != '5'
	}
	signedIn := s.need == ""
	say("connect", "220 mail.example ready")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		command, rest, _ := strings.Cut(line, " ")
		command = strings.ToUpper(command)
		switch command {
		case "EHLO":
			hello := "250-mail.example\r\n250-8BITMIME\r\n"
			if _, secret := c.(*tls.Conn); s.tls != nil && !secret {
				hello += "250-STARTTLS\r\n"
			}
			if s.need != "" {
				hello += "250-AUTH PLAIN\r\n"
			}
			say(command, hello+"250 ENHANCEDSTATUSCODES")
		case "STARTTLS":
			if say(command, "220 go on") {
				c = tls.Server(c, s.tls)
				in = bufio.NewReader(c)
			}
		case "AUTH":
			if _, secret := c.(*tls.Conn); !secret {
				s.t.Error("a password came in the clear")
			}
			if signedIn = rest == "PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+s.need)); signedIn {
				say(command, "235 welcome")
			} else {
				say(command, "535 no")
			}
		case "MAIL":
			if !signedIn {
				say("", "530 sign in")
				continue
			}
			if say(command, "250 ok") {
				s.keep(&s.from, line)
			}
		case "RCPT":
			if say(command, "250 ok") {
				s.keep(&s.to, line)
			}
		case "DATA":
			if !say(command, "354 go on") {
				continue
			}
			var text strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			if say("end", "250 2.0.0 taken") {
				s.keep(&s.mails, text.String())
			}
		case "QUIT":
			say(command, "221 bye")
			return
		default:
			say(command, "250 ok")
		}
	}
}

func (s *server) keep(list *[]string, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, line)
}

func (s *server) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

func sender(t *testing.T, port int) *smtp.Sender {
	t.Helper()
	s, err := smtp.New(smtp.Config{Host: "127.0.0.1", Port: port, From: "haat <post@haat.example>"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func message() notify.Message {
	return notify.Message{
		ID: id.Message(id.New[struct{}]()), Channel: notify.Email, To: "asha@example.com", Kind: notify.Placed, From: "चाय & Co", ReplyTo: "owner@chai.example",
		Subject: "Your order 1001: ₹1,248", Text: "Hello Asha,\n\n.a line that begins with a point\n<b>plain</b> ₹\n",
	}
}

func TestAMailArrivesAsItWasWritten(t *testing.T) {
	server := listen(t, nil)
	s, m := sender(t, server.port), message()
	for range 2 { // as after a crash
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	mails := server.taken()
	if len(mails) != 2 || !strings.HasPrefix(server.from[0], "MAIL FROM:<post@haat.example>") || !strings.HasPrefix(server.to[0], "RCPT TO:<asha@example.com>") {
		t.Fatalf("%d mails, %q, %q", len(mails), server.from, server.to)
	}
	for _, raw := range mails {
		got, err := mail.ReadMessage(strings.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		from, err := got.Header.AddressList("From")
		if err != nil || len(from) != 1 || from[0].Name != m.From || from[0].Address != "post@haat.example" {
			t.Errorf("from %v, %v", from, err)
		}
		reply, err := got.Header.AddressList("Reply-To")
		if err != nil || len(reply) != 1 || reply[0].Address != m.ReplyTo {
			t.Errorf("reply to %v, %v", reply, err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
		if err != nil || subject != m.Subject {
			t.Errorf("subject %q, %v", subject, err)
		}
		if key := got.Header.Get("Message-ID"); key != "<"+m.ID.String()+"@haat.example>" {
			t.Errorf("Message-ID %s", key)
		}
		if at, err := got.Header.Date(); err != nil || time.Since(at) > time.Minute {
			t.Errorf("date %v, %v", at, err)
		}
		if kind, _, err := mime.ParseMediaType(got.Header.Get("Content-Type")); err != nil || kind != "text/plain" {
			t.Errorf("type %q, %v", kind, err)
		}
		body := got.Body
		if got.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			body = quotedprintable.NewReader(body)
		}
		text, err := io.ReadAll(body)
		if err != nil || strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") != strings.TrimRight(m.Text, "\n") {
			t.Errorf("text %q, %v", text, err)
		}
	}
}

func TestALineBreakBeginsNoHeader(t *testing.T) {
	server := listen(t, nil)
	s := sender(t, server.port)
	m := message()
	m.From, m.Subject = "x\r\nBcc: all@example.com", "y\r\nBcc: all@example.com\r\n\r\nbody"
	if err := s.Send(t.Context(), m); err != nil && !notify.IsRefused(err) {
		t.Fatal(err)
	}
	for _, raw := range server.taken() {
		got, err := mail.ReadMessage(strings.NewReader(raw))
		if err != nil || got.Header.Get("Bcc") != "" || len(server.to) != 1 {
			t.Errorf("%v: %s", err, raw)
		}
	}
	m = message()
	m.To = "asha@example.com>\r\nRCPT TO:<all@example.com"
	if err := s.Send(t.Context(), m); !notify.IsRefused(err) {
		t.Errorf("an address with a line break: %v", err)
	}
}

func TestWhatTheServerSaysDecides(t *testing.T) {
	for _, c := range []struct {
		command, answer    string
		refused, postponed bool
		taken              int
	}{
		{"RCPT", "550 5.1.1 no such mailbox", true, false, 0},
		{"RCPT", "553 5.1.3 bad address", true, false, 0},
		{"RCPT", "450 4.2.0 greylisted", false, true, 0},
		{"RCPT", "452 4.2.2 mailbox full", false, true, 0},
		{"RCPT", "421 4.3.2 shutting down", false, false, 0},
		{"end", "554 5.7.1 we do not like it", true, false, 0},
		{"end", "451 4.3.0 try later", false, true, 0},
		{"MAIL", "550 5.7.1 you may not send", false, false, 0},
		{"MAIL", "451 4.3.0 busy", false, false, 0},
		{"connect", "554 no service", false, false, 0},
		{"connect", "421 too many connections", false, false, 0},
		{"QUIT", "500 what?", false, false, 1},
	} {
		t.Run(c.command+" "+c.answer[:3], func(t *testing.T) {
			server := listen(t, map[string]string{c.command: c.answer})
			err := sender(t, server.port).Send(t.Context(), message())
			if (err == nil) != (c.taken == 1) || notify.IsRefused(err) != c.refused || notify.IsPostponed(err) != c.postponed {
				t.Errorf("refused %v, postponed %v: %v", notify.IsRefused(err), notify.IsPostponed(err), err)
			}
			if n := len(server.taken()); n != c.taken {
				t.Errorf("%d mails taken, not %d", n, c.taken)
			}
		})
	}
}

func TestNobodyThereOrNobodyAnswering(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts into its backlog and never says a word
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := sender(t, port).Send(ctx, message()); err == nil || notify.IsRefused(err) || notify.IsPostponed(err) {
		t.Errorf("a silent server: %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("waited %v for a silent server", took)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sender(t, port).Send(t.Context(), message()); err == nil || notify.IsRefused(err) || notify.IsPostponed(err) {
		t.Errorf("no server: %v", err)
	}
}

func TestSigningInOverTLS(t *testing.T) {
	authority := httptest.NewUnstartedServer(nil)
	authority.StartTLS() // for its certificate
	defer authority.Close()
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate())
	for _, implicit := range []bool{true, false} {
		server := (&server{tls: authority.TLS.Clone(), need: "haat\x00secret"}).open(t, implicit)
		config := smtp.Config{Host: "127.0.0.1", Port: server.port, User: "haat", Password: "secret", From: "post@haat.example", Implicit: implicit, TLS: &tls.Config{RootCAs: pool}}
		s, err := smtp.New(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), message()); err != nil || len(server.taken()) != 1 {
			t.Errorf("implicit %v: %v", implicit, err)
		}
		wrong, stranger := config, config
		wrong.Password, stranger.TLS = "guess", nil
		for what, c := range map[string]smtp.Config{"a wrong password": wrong, "an unknown certificate": stranger} {
			s, err := smtp.New(c)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(t.Context(), message()); err == nil || notify.IsRefused(err) || len(server.taken()) != 1 {
				t.Errorf("%s, implicit %v: %v", what, implicit, err)
			}
		}
	}
}

// Only a server on this machine may take mails in the clear: a host that is
// not, seen by its name, is refused when it offers no encryption.
func TestElsewhereTheConnectionIsEncrypted(t *testing.T) {
	server := listen(t, nil)
	// The machine's own address by a name that is not taken for it.
	s, err := smtp.New(smtp.Config{Host: "0.0.0.0", Port: server.port, From: "post@haat.example"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), message()); err == nil || !strings.Contains(err.Error(), "STARTTLS") || len(server.taken()) != 0 {
		t.Errorf("in the clear: %v", err)
	}
}

func TestWhatCannotWorkIsSaidAtOnce(t *testing.T) {
	for _, c := range []smtp.Config{{Host: "mail.example", From: "nobody"}, {From: "post@haat.example"}, {Host: "mail.example", Port: 99999, From: "post@haat.example"}} {
		if _, err := smtp.New(c); err == nil {
			t.Errorf("%+v passes", c)
		}
	}
}
