package order

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"

	"haat/internal/fault"
	"haat/internal/ship"
	"haat/internal/shop"
)

// faults gathers what is wrong with several fields, so that a person is told
// everything at once.
type faults []fault.Field

func (f *faults) add(pointer, format string, args ...any) {
	*f = append(*f, fault.Field{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
}

// err is a fault about the first field, with the others as More; nil if there
// are none.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	out := fault.Invalid(f[0].Pointer, "%s", f[0].Message)
	out.More = f[1:]
	return out
}

// cleaned trims a line of text, makes one space of any white space, and drops
// what cannot be printed.
func cleaned(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsGraphic(r) && r != '\u200c' && r != '\u200d': // Indic scripts need the joiners
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

func tooLong(s string, most int) bool { return len([]rune(s)) > most }

// normalised gives the contact as we keep it: the phone in E.164, a number
// without a country being one of region. A whole contact has a name and a way
// to be reached; a cart's may still lack them.
func (c Contact) normalised(region string, whole bool, f *faults) Contact {
	c.Name, c.Phone, c.Email = cleaned(c.Name), cleaned(c.Phone), cleaned(c.Email)
	switch {
	case c.Name == "" && whole:
		f.add("/contact/name", "Write your name.")
	case tooLong(c.Name, 120):
		f.add("/contact/name", "A name has 120 characters at most.")
	}
	if c.Phone == "" && c.Email == "" && whole {
		f.add("/contact/phone", "Write a phone number or an e-mail address, so that the shop can reach you.")
	}
	var err error
	if c.Phone != "" {
		if c.Phone, _, err = shop.ParsePhone(c.Phone, region); err != nil {
			f.add("/contact/phone", "%s", fault.Of(err).Message)
		}
	}
	if c.Email != "" {
		if c.Email, err = shop.ParseEmail(c.Email); err != nil {
			f.add("/contact/email", "%s", fault.Of(err).Message)
		}
	}
	return c
}

// normalisedAddress gives the address as we keep it. A whole one has the contact's
// name unless it has one of its own, and the shop's country unless it says
// another.
func normalisedAddress(a Address, name, country string, whole bool, f *faults) Address {
	if whole {
		a.Name, a.Country = cmp.Or(strings.TrimSpace(a.Name), name), cmp.Or(strings.TrimSpace(a.Country), country)
	}
	out, wrong := ship.Normalise(ship.Address(a), whole)
	*f = append(*f, wrong...)
	return Address(out)
}
