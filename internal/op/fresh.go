package op

import (
	"net/http"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
)

// markCookie keeps, for one shop on one host, the mark of the last write by the
// API. A header Haat-Mark goes before it.
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

// Seen gives the mark of the shop that a page's reader brings, by header or
// cookie, as one of the API may; zero if none. Every read of this process at
// the level session is at or after it from now on.
func Seen(r *http.Request, room *fleet.Room) (db.Mark, error) {
	m, err := seenBy(r, room)
	if err == nil && m != (db.Mark{}) {
		room.Heard(m)
	}
	return m, err
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
	path := "/" // a host of the shop's own: its pages are after the write too
	if i.Role == Merchant {
		path = "/api/v1/shops/" + c.Room.Slug()
	}
	http.SetCookie(c.writer, &http.Cookie{
		Name: markCookie, Value: *mark, Path: path, MaxAge: int(fleet.MarkFor / time.Second),
		HttpOnly: true, Secure: g.https, SameSite: http.SameSiteLaxMode,
	})
}
