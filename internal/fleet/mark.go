package fleet

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"haat/internal/db"
)

// MarkFor is how long a mark that was given to a client holds. After that
// every replica in rotation has long seen the write.
const MarkFor = 5 * time.Minute

// Sign writes a mark of the shop for a client, who cannot make one itself: a
// mark that nobody gave would be taken for a write that was lost.
func (r *Room) Sign(m db.Mark) string {
	text := m.String() + "." + strconv.FormatInt(time.Now().Add(MarkFor).Unix(), 10)
	return text + "." + r.fleet.sum(r, text)
}

// Signed reads what Sign wrote for this shop. One that no longer holds is the
// zero mark, which asks for nothing.
func (r *Room) Signed(text string) (db.Mark, error) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 || !hmac.Equal([]byte(text[i+1:]), []byte(r.fleet.sum(r, text[:i]))) {
		return db.Mark{}, fmt.Errorf("%.100q is not a mark that we gave", text)
	}
	text = text[:i]
	i = strings.LastIndexByte(text, '.')
	until, err := strconv.ParseInt(text[i+1:], 10, 64)
	if err != nil || time.Now().Unix() > until {
		return db.Mark{}, err
	}
	return db.ParseMark(r.entry.Shop, text[:i])
}

func (f *Fleet) sum(r *Room, text string) string {
	h := hmac.New(sha256.New, f.markKey)
	fmt.Fprintf(h, "mark %v %s", r.entry.Shop, text)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// Known is the newest mark of the shop that this process has acknowledged or
// was told of lately. It is zero for a shard without replicas, whose readers
// need none.
func (r *Room) Known() db.Mark { return r.fleet.known.of(r.entry.Shop) }

// Heard tells the process of a mark of the shop that a client brought, which a
// process gave: what is read here from now on, at the level session, has seen
// it.
func (r *Room) Heard(m db.Mark) {
	if r.fleet.shards.Load().standbys[r.entry.Shard] != nil {
		r.fleet.known.note(m)
	}
}

// longest is the most that bounded may allow.
const longest = time.Hour

// ParseFresh reads eventual, bounded=250ms, session or strong. What has been
// seen, for session, is added with [Fresh.After].
func ParseFresh(text string) (Fresh, error) {
	level, age, limited := strings.Cut(strings.TrimSpace(text), "=")
	d, err := time.ParseDuration(age)
	switch {
	case level == bounded && limited && err == nil && d > 0 && d <= longest:
		return Within(d), nil
	case limited:
	case level == eventual:
		return AnyAge, nil
	case level == session:
		return Fresh{}, nil
	case level == strong:
		return Newest, nil
	}
	return Fresh{}, fmt.Errorf("%.100q is not eventual, bounded=250ms (up to 1h), session or strong", text)
}

// String writes who answered as the API says it.
func (s Served) String() string {
	out := s.Level + "; server=" + s.Server + "; lag=" + strconv.FormatInt(int64(s.Lag/time.Millisecond), 10)
	if s.Stale {
		out += "; stale"
	}
	return out
}
