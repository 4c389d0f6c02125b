package dashboard

import (
	"net/http"
	"net/url"
	"strings"

	"haat/internal/fault"
	"haat/internal/op"
	"haat/internal/shop"
	"haat/internal/web"
)

// What a code is for, besides signing in.
const (
	forRecovery = "recover"
	forContact  = "contact"
)

// A way back in when the phone is lost: a code to the second contact signs in
// and signs everybody else out; then a new contact takes the place of the lost
// one, which goes with the browser in the query "old" meanwhile.

func (s *server) recovery(w http.ResponseWriter, r *http.Request) error {
	p := Recover{Public: s.public(r, "Lost your phone?")}
	return web.Render(w, r, http.StatusOK, p.Page())
}

func (s *server) recover(w http.ResponseWriter, r *http.Request) error {
	p := Recover{Public: s.public(r, "Lost your phone?"), Contact: strings.TrimSpace(r.FormValue("contact")), Second: strings.TrimSpace(r.FormValue("second")), Problems: Problems{}}
	_, err := s.reach(p.Contact)
	if f := refusal(err); f != nil {
		p.Problems["contact"] = f.Message
	}
	to, err := s.reach(p.Second)
	if err == nil && len(p.Problems) == 0 {
		err = s.send(r, to, forRecovery)
	}
	if f := refusal(err); f != nil {
		p.Problems["second"] = f.Message
	} else if err != nil {
		return err
	}
	if len(p.Problems) > 0 {
		return web.Render(w, r, http.StatusUnprocessableEntity, p.Page())
	}
	return toCode(w, r, p.Second, forRecovery, "/recover/contact?"+url.Values{"old": {p.Contact}}.Encode())
}

// onlyHere signs out every other device of who has just come back.
func (s *server) onlyHere(r *http.Request, in shop.SignedIn) error {
	by := op.Caller{Account: in.Account, Session: in.Session.String(), IP: s.Door.IP(r)}
	devices, err := s.Accounts.Sessions.Do(r.Context(), by, shop.MyList{Page: op.Page{Limit: 250}})
	if err != nil {
		return err
	}
	for _, d := range devices.Items {
		if d.Current {
			continue
		}
		_, err := s.Accounts.EndSession.Do(r.Context(), by, shop.OneSession{Session: d.ID.String()})
		if err != nil && !fault.Is(err, fault.KindNotFound) {
			return err
		}
	}
	return nil
}

// lost gives the contact to be replaced, if it is one of the account's.
func (s *server) lost(r *http.Request, by op.Caller, text string) (shop.Contact, bool, error) {
	me, err := s.Accounts.Show.Do(r.Context(), by, shop.Myself{})
	if err != nil {
		return shop.Contact{}, false, err
	}
	old, err := shop.GuessContact(text, s.Region)
	if err == nil {
		for _, c := range me.Contacts {
			if c.Address == old.Address {
				return c.Contact(), true, nil
			}
		}
	}
	return old, false, nil
}

func (s *server) newContact(w http.ResponseWriter, r *http.Request) error {
	return s.showNewContact(w, r, http.StatusOK, nil)
}

func (s *server) showNewContact(w http.ResponseWriter, r *http.Request, status int, problems Problems) error {
	by, err := s.caller(r, nil)
	if fault.Is(err, fault.KindDenied) {
		return s.toSignIn(w, r)
	}
	if err != nil {
		return err
	}
	old, is, err := s.lost(r, by, r.FormValue("old"))
	if err != nil {
		return err
	}
	if !is {
		return web.Back(w, r, "/shops")
	}
	p := NewContact{Public: s.public(r, "Welcome back"), Old: old.Show(), Contact: strings.TrimSpace(r.PostFormValue("contact")), Problems: problems}
	return web.Render(w, r, status, p.Page())
}

func (s *server) sendNewContact(w http.ResponseWriter, r *http.Request) error {
	contact := strings.TrimSpace(r.PostFormValue("contact"))
	to, err := s.reach(contact)
	if err == nil {
		err = s.send(r, to, forContact)
	}
	if fault.Is(err, fault.KindDenied) {
		return s.toSignIn(w, r)
	}
	if f := refusal(err); f != nil {
		return s.showNewContact(w, r, http.StatusUnprocessableEntity, Problems{"contact": f.Message})
	}
	if err != nil {
		return err
	}
	return toCode(w, r, contact, forContact, "/recover/contact?"+url.Values{"old": {r.FormValue("old")}}.Encode())
}

// addContact takes the code that came to a new contact, which then replaces
// the one that next names.
func (s *server) addContact(w http.ResponseWriter, r *http.Request, to shop.Address, code, next string) error {
	by, err := s.caller(r, nil)
	if fault.Is(err, fault.KindDenied) {
		return s.toSignIn(w, r)
	}
	if err != nil {
		return err
	}
	var in shop.ContactProof
	in.Body.Address, in.Body.Code = to, code
	if _, err = s.Accounts.ConfirmContact.Do(r.Context(), by, in); wrong(err) != nil {
		return s.showCode(w, r, http.StatusUnprocessableEntity, Problems{"code": wrong(err).Message})
	}
	if err != nil {
		return err
	}
	said := "From now on you can sign in with this contact."
	if u, err := url.Parse(next); err == nil && u.Path == "/recover/contact" {
		old, is, err := s.lost(r, by, u.Query().Get("old"))
		if err != nil {
			return err
		}
		if is {
			if _, err := s.Accounts.RemoveContact.Do(r.Context(), by, shop.OneContact{Address: old.Address}); err != nil {
				return err
			}
			said += " " + old.Show() + " no longer does."
		}
	}
	s.flash(w, r, Flash{Text: said})
	return web.Back(w, r, "/shops")
}
