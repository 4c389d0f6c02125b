package shop

import (
	"net/mail"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"

	"haat/internal/fault"
)

// ParsePhone reads a phone number as people write it and gives it as E.164,
// with the country it belongs to (empty for numbers of no country). A number
// without + is one of region; when region is empty it needs the +. Numbers
// are judged by their length, not by whether the series is in use: series are
// opened faster than programs are updated. The error is for people.
func ParsePhone(text, region string) (e164, country string, err error) {
	bad := fault.Invalid("/phone", "This is not a phone number. Write it with its country code, such as +91 98765 43210.")
	text = strings.TrimSpace(text)
	if len(text) > 40 {
		return "", "", bad
	}
	if rest, ok := strings.CutPrefix(text, "00"); ok {
		text = "+" + rest
	}
	n, err := phonenumbers.Parse(text, strings.ToUpper(region))
	if err != nil || n.GetExtension() != "" || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return "", "", bad
	}
	country = phonenumbers.GetRegionCodeForNumber(n)
	if country == "" || country == phonenumbers.UNKNOWN_REGION {
		country = phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
	}
	if !ValidCountry(country) {
		country = ""
	}
	return phonenumbers.Format(n, phonenumbers.E164), country, nil
}

// ShowPhone writes an E.164 number the way people read it: +91 98765 43210.
func ShowPhone(e164 string) string {
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return e164
	}
	return phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
}

// ParseEmail checks an e-mail address and gives it in lower case, its domain
// as DNS has it. The error is for people.
func ParseEmail(text string) (string, error) {
	bad := fault.Invalid("/email", "This is not an e-mail address.")
	text = strings.TrimSpace(text)
	at := strings.LastIndexByte(text, '@')
	if at < 1 || at > 64 || len(text) > 254 || strings.ContainsAny(text, " \t\r\n<>\"(),;:\\") {
		return "", bad
	}
	domain, err := idna.Lookup.ToASCII(text[at+1:])
	if err != nil || !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".") {
		return "", bad
	}
	address := strings.ToLower(text[:at] + "@" + domain)
	if a, err := mail.ParseAddress(address); err != nil || a.Address != address || len(address) > 254 {
		return "", bad
	}
	return address, nil
}

// Contact is an address at which a person can be reached and signs in.
type Contact struct {
	Kind    string // Phone or Email
	Address string // E.164, or an e-mail address
	Country string // of a phone; may be empty
}

const (
	Phone = "phone"
	Email = "email"
)

// ParseContact reads whichever is given, a phone number (of region, unless it
// has a +) or an e-mail address; exactly one must be.
func ParseContact(phone, email, region string) (Contact, error) {
	switch {
	case phone == "" && email == "":
		return Contact{}, fault.Invalid("/phone", "Give a phone number or an e-mail address.")
	case phone != "" && email != "":
		return Contact{}, fault.Invalid("/email", "Give a phone number or an e-mail address, not both.")
	case phone != "":
		e164, country, err := ParsePhone(phone, region)
		return Contact{Phone, e164, country}, err
	}
	address, err := ParseEmail(email)
	return Contact{Kind: Email, Address: address}, err
}

// GuessContact reads what was typed into one field: an e-mail address if it
// has an @, else a phone number of region.
func GuessContact(text, region string) (Contact, error) {
	if strings.Contains(text, "@") {
		return ParseContact("", text, region)
	}
	return ParseContact(text, "", region)
}

// Show writes the contact the way people read it.
func (c Contact) Show() string {
	if c.Kind == Phone {
		return ShowPhone(c.Address)
	}
	return c.Address
}

// Channel is how a message gets there: "sms" or "email".
func (c Contact) Channel() string {
	if c.Kind == Phone {
		return "sms"
	}
	return "email"
}

func validTimezone(name string) bool {
	if name == "" || name == "Local" {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}
