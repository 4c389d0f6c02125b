package op

import (
	"net/http"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
)

// markCookie keeps, for the API of one shop on one host, the mark of the last
// write. A header Haat-Mark goes before it.
const markCookie = "haat_mark"

// seenBy gives the mark that a caller has seen, by header or cookie. A cookie
// that is not ours, or of another shop, is none.
func seenBy(r *http.Request, room *fleet.Room) (db.Mark, error) {
	if room == nil {
		return db.Mark{}, nil
	}
	if text := r.Header.Get("Haat-Mark"); text != "" {
		m, err := room.Signed(text)
		if err != nil {
			return m, fault.Invalid("/Haat-Mark", "This is not a mark that we gave for this shop.")
		}
		return m, nil
	}
	k, err := r.Cookie(markCookie)
	if err != nil {
		return db.Mark{}, nil
	}
	m, _ := room.Signed(k.Value)
	return m, nil
}

// asked gives how fresh a read must be: as the caller says, or as declared, and
// either way not before what the caller has seen. Only eventual, asked for by
// name, looks at no mark.
func asked(c Call, declared fleet.Fresh) (fleet.Fresh, error) {
	fresh := declared
	if text := c.request.Header.Get("Haat-Consistency"); text != "" {
		var err error
		if fresh, err = fleet.ParseFresh(text); err != nil {
			return fresh, fault.Invalid("/Haat-Consistency", "Say eventual, bounded=250ms (any time up to 1h), session or strong.")
		}
	}
	if c.seen == (db.Mark{}) {
		return fresh, nil
	}
	return fresh.After(c.seen), nil
}

// say tells the caller where the answer stands and who gave it. After a write
// browsers are told by cookie too, whatever the shop's host is.
func (g *Registry) say(c Call, i Info, served fleet.Served, mark, server *string) {
	if served.Server != "" {
		*server = served.String()
	}
	if served.Mark == (db.Mark{}) {
		return
	}
	*mark = c.Room.Sign(served.Mark)
	if i.Kind == "read" {
		return
	}
	path := "/api/v1"
	if i.Role == Merchant {
		path += "/shops/" + c.Room.Slug()
	}
	http.SetCookie(c.writer, &http.Cookie{
		Name: markCookie, Value: *mark, Path: path, MaxAge: int(fleet.MarkFor / time.Second),
		HttpOnly: true, Secure: g.https, SameSite: http.SameSiteLaxMode,
	})
}
