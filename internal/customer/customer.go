package customer

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
)

// Person is who somebody says they are when they order.
type Person struct {
	Name  string
	Phone string // E.164; empty if they gave an e-mail address only
	Email string // in lower case; may be empty if there is a phone
}

// Address is where something is delivered.
type Address struct {
	Name       string `json:"name" required:"false" maxLength:"120" doc:"The contact's when absent"`
	Line1      string `json:"line1" required:"false" maxLength:"200"`
	Line2      string `json:"line2,omitempty" maxLength:"200"`
	City       string `json:"city" required:"false" maxLength:"100"`
	State      string `json:"state,omitempty" maxLength:"100" doc:"Code or name"`
	PostalCode string `json:"postal_code,omitempty" maxLength:"20"`
	Country    string `json:"country" required:"false" maxLength:"2" doc:"ISO 3166 alpha-2; the shop's when absent" example:"IN"`
}

const (
	// known finds who this is: the customer with the number, else one with the
	// e-mail address that has no other number.
	known = `
		SELECT found.id FROM (
			SELECT c.id, 0 AS place, c.last_at FROM customer c WHERE c.shop = $1 AND c.phone = $2 AND c.phone <> ''
			UNION ALL
			SELECT e.id, 1 AS place, e.last_at FROM customer e
			WHERE e.shop = $1 AND e.email = $3 AND e.email <> '' AND (e.phone = '' OR CAST($2 AS TEXT) = '')
		) AS found ORDER BY found.place, found.last_at DESC LIMIT 1`
	// $2 phone, $3 e-mail, $4 name, $5 words, $6 spent, $7 at
	merge = `
		name = CASE WHEN CAST($4 AS TEXT) = '' THEN customer.name ELSE $4 END,
		email = CASE WHEN CAST($3 AS TEXT) = '' THEN customer.email ELSE $3 END,
		words = $5,
		orders = customer.orders + 1,
		spent = customer.spent + $6,
		last_at = CASE WHEN customer.last_at > $7 THEN customer.last_at ELSE $7 END`
)

var (
	again = db.Q(`
		UPDATE customer SET
			phone = CASE WHEN CAST($2 AS TEXT) = '' THEN customer.phone ELSE $2 END, ` + merge + `
		WHERE shop = $1 AND id = (` + known + `)
		RETURNING id, name, phone, email`)
	firstByPhone = db.Q(`
		INSERT INTO customer (shop, id, name, phone, email, words, orders, spent, last_at, created_at) VALUES ($1, $8, $4, $2, $3, $5, 1, $6, $7, $7)
		ON CONFLICT (shop, phone) WHERE phone <> '' DO UPDATE SET ` + merge + `
		RETURNING id, name, phone, email`)
	firstByEmail = db.Q(`
		INSERT INTO customer (shop, id, name, phone, email, words, orders, spent, last_at, created_at) VALUES ($1, $8, $4, $2, $3, $5, 1, $6, $7, $7)
		ON CONFLICT (shop, email) WHERE phone = '' DO UPDATE SET ` + merge + `
		RETURNING id, name, phone, email`)
	setWords = db.Q(`UPDATE customer SET words = $3 WHERE shop = $1 AND id = $2`)
	takeBack = db.Q(`UPDATE customer SET spent = spent - $3 WHERE shop = $1 AND id = $2`)
)

type row struct {
	id id.Customer
	p  Person
}

func scanRow(r *row) []any { return []any{&r.id, &r.p.Name, &r.p.Phone, &r.p.Email} }

// Record notes that a person has ordered for spent minor units, and gives the
// customer that they are: found by phone, else by e-mail, else new. It costs
// one statement for a customer who gives a number only, or who is known and has
// given the same details,
// two otherwise. Somebody with neither phone nor e-mail is fault.Invalid.
func Record(ctx context.Context, tx *db.Tx, p Person, spent int64, at time.Time) (id.Customer, error) {
	if p.Phone == "" && p.Email == "" {
		return id.Customer{}, fault.Invalid("/contact/phone", "Give a phone number or an e-mail address.")
	}
	text := words(p)
	var r row
	var found bool
	var err error
	if p.Email != "" { // a number alone finds its own
		r, found, err = db.One(ctx, tx, again, scanRow, p.Phone, p.Email, p.Name, text, spent, at)
	}
	if err == nil && !found {
		q := firstByPhone
		if p.Phone == "" {
			q = firstByEmail
		}
		r, _, err = db.One(ctx, tx, q, scanRow, p.Phone, p.Email, p.Name, text, spent, at, id.Customer(id.New[struct{}]()))
	}
	if err == nil && r.p != p { // what they left out is known from before, and must be found by too
		_, err = tx.Exec(ctx, setWords, r.id, words(r.p))
	}
	if err != nil {
		return id.Customer{}, fmt.Errorf("record a customer: %w", err)
	}
	return r.id, nil
}

// Cancelled takes back what a cancelled order counted as spent. The order
// itself still counts.
func Cancelled(ctx context.Context, tx *db.Tx, customer id.Customer, spent int64) error {
	_, err := tx.Exec(ctx, takeBack, customer, spent)
	return err
}

// words is the text that a customer is found by.
func words(p Person) string {
	parts := []string{fold(p.Name), p.Email}
	if p.Phone != "" {
		parts = append(parts, strings.TrimPrefix(p.Phone, "+"))
		if n := national(p.Phone); n != "" {
			parts = append(parts, n)
		}
	}
	return " " + strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// national gives a number as it is known in its country, without the zeros
// before it; nothing if e164 is no E.164. No country's code begins with another's.
func national(e164 string) string {
	digits, _ := strings.CutPrefix(e164, "+")
	codes := phonenumbers.GetSupportedCallingCodes()
	for n := 1; n <= 3 && n < len(digits); n++ {
		if code, err := strconv.Atoi(digits[:n]); err == nil && codes[code] {
			return strings.TrimLeft(digits[n:], "0")
		}
	}
	return ""
}

// fold forgives case and Latin accents.
func fold(text string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(text)) {
		if r < 0x0300 || r > 0x036f {
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String())
}

// sought turns what was typed into a pattern on words: a number as digits,
// without the zeros or the plus before it.
func sought(text string) string {
	text = strings.Join(strings.Fields(fold(text)), " ")
	if text == "" {
		return ""
	}
	digits := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r) && r <= '9':
			return r
		case strings.ContainsRune("+-(). ", r):
			return -1
		}
		return 'x'
	}, text)
	if !strings.Contains(digits, "x") && digits != "" {
		text = strings.TrimLeft(digits, "0")
	}
	return "% " + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}
