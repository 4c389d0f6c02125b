package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/web"
)

const (
	keysAPage   = 50
	eventsShown = 50 // of one key
	settledSeen = 100
)

// Parked is GET /parked?after=: keys of all shops whose events wait, since one
// could not be handled.
type Parked struct {
	Frame
	Rows   []ParkedKey
	Events string // that wait in all, empty: none
	Shops  string
	Next   string // address of the next page
	First  string // address of the first page, when this is not it
}

// ParkedKey is one sequence of events that stands still: it is seen at
// /parked/<id>, tried again with POST /parked/<id>/retry.
type ParkedKey struct {
	ID, Shop, ShopURL, Consumer, Topic, Key, Problem string
	Behind                                           int64
	Last                                             string // the number of the last event that is meant here
	Since                                            time.Time
}

// ParkedEvents is GET /parked/<id>: the events of one key, to be edited, tried
// again or given up.
type ParkedEvents struct {
	Frame
	Row    ParkedKey
	Events []ParkedEvent
	More   string // how many are behind those that are shown, empty: none
	Failed string // what came of a try just now
	Asks   bool   // whether to give them up
}

// ParkedEvent is one of them: POST /parked/<id>/edit with "seq" and "payload".
type ParkedEvent struct {
	Seq, Event, Payload string
	At                  time.Time
	Problem             string // with what was typed, which Payload is then
	Open                bool   // its editor
	Rows                int
}

// Settled is GET /parked/settled: what became of events that were parked, the
// latest first.
type Settled struct {
	Frame
	Rows []SettledRow
}

// SettledRow is one of them.
type SettledRow struct {
	State, Word                                       string // "good" or "warn"
	Shop, ShopURL, Consumer, Topic, Key, Problem, Seq string
	Said                                              string // before it was edited, if it was
	Label                                             string // of Said
	At                                                time.Time
}

// at is a place in the list of parked keys: after it comes what is shown.
type at struct {
	shop      id.Shop
	name, key string
}

func (a at) String() string { return a.shop.String() + "~" + a.name + "~" + a.key }

func parseAt(s string) (a at, err error) {
	if s == "" {
		return a, nil
	}
	parts := strings.SplitN(s, "~", 3)
	if len(parts) != 3 {
		return a, fault.NotFound("There is no such page.")
	}
	a.shop, err = id.ParseShop(parts[0])
	a.name, a.key = parts[1], parts[2]
	return a, err
}

// waiting is how many events are parked, and in which shops, in their order.
type waiting struct {
	shops  []id.Shop
	events int64
}

func (s *server) waitingEvents(r *http.Request) (w waiting, err error) {
	counts, err := s.Bus.ParkedCounts(r.Context())
	for _, c := range counts {
		w.events += c.N
		w.shops = append(w.shops, c.Shop)
	}
	return w, err
}

// parkedKeys gives keys of shops that wait, after one of them, and whether there
// are more.
func (s *server) parkedKeys(r *http.Request, shops []id.Shop, after at, limit int) (out []ParkedKey, more at, err error) {
	start, found := slices.BinarySearch(shops, after.shop)
	for i, shop := range shops[start:] {
		room, err := s.Fleet.ByID(r.Context(), shop)
		if fault.Is(err, fault.KindNotFound) {
			continue // an unfinished sign-up
		}
		if err != nil {
			return nil, at{}, err
		}
		from := at{shop: shop}
		if i == 0 && found {
			from = after
		}
		keys, err := parkedIn(r, room, from, limit-len(out)+1)
		if err != nil {
			return nil, at{}, err
		}
		for _, k := range keys {
			if len(out) == limit {
				return out, more, nil
			}
			out = append(out, k)
			more = at{shop, k.Consumer, k.Key}
		}
	}
	return out, at{}, nil
}

// parkedIn gives keys of one shop that stand still, after one of them, with the
// first event of each and how many are behind it.
func parkedIn(r *http.Request, room *fleet.Room, after at, limit int) ([]ParkedKey, error) {
	keys, err := event.ParkedKeys(r.Context(), room, after.name, after.key, limit)
	var out []ParkedKey
	for _, k := range keys {
		out = append(out, parkedRow(room, k.Parked, k.Events, k.Last))
	}
	return out, err
}

func parkedRow(room *fleet.Room, first event.Parked, events, last int64) ParkedKey {
	return ParkedKey{
		ID:   url.PathEscape(room.Slug() + "~" + first.Subscriber + "~" + first.Key),
		Shop: room.Slug(), ShopURL: "/shops/" + room.Slug(), Consumer: first.Subscriber, Topic: first.Topic, Key: first.Key,
		Problem: first.Error, Behind: events - 1, Last: strconv.FormatInt(last, 10), Since: first.ParkedAt,
	}
}

func (s *server) parked(w http.ResponseWriter, r *http.Request) error {
	f, _, err := s.frame(w, r, "Parked events", "parked")
	if err != nil {
		return err
	}
	waits, err := s.waitingEvents(r)
	if err != nil {
		return err
	}
	after, err := parseAt(r.FormValue("after"))
	if err != nil {
		return err
	}
	v := Parked{Frame: f}
	if waits.events > 0 {
		v.Events, v.Shops = thousands(waits.events), plural(len(waits.shops), "shop")
	}
	if after != (at{}) {
		v.First = "/parked"
	}
	rows, more, err := s.parkedKeys(r, waits.shops, after, keysAPage)
	if err != nil {
		return err
	}
	if v.Rows = rows; more != (at{}) {
		v.Next = "/parked?" + url.Values{"after": {more.String()}}.Encode()
	}
	return s.show(w, r, v.Page())
}

// oneKey reads which key is meant.
func (s *server) oneKey(r *http.Request) (room *fleet.Room, name, key string, err error) {
	parts := strings.SplitN(r.PathValue("id"), "~", 3)
	if len(parts) != 3 {
		return nil, "", "", fault.NotFound("There is no such parked key.")
	}
	room, err = s.Fleet.BySlug(r.Context(), parts[0])
	return room, parts[1], parts[2], err
}

// keyPage reads the page of one key. What is no longer parked is not found.
func (s *server) keyPage(w http.ResponseWriter, r *http.Request) (v ParkedEvents, err error) {
	room, name, key, err := s.oneKey(r)
	if err != nil {
		return v, err
	}
	all, err := event.ParkedOf(r.Context(), room, name, key, eventsShown)
	if err != nil {
		return v, err
	}
	if len(all) == 0 {
		return v, fault.NotFound("Nothing is parked for %s under this key: it was handled or given up.", name)
	}
	if v.Frame, _, err = s.frame(w, r, "Parked events", "parked"); err != nil {
		return v, err
	}
	n, last, err := event.CountParked(r.Context(), room, name, key)
	if err != nil {
		return v, err
	}
	if n <= int64(len(all)) { // what was parked between the two is not shown, and not meant
		n, last = int64(len(all)), all[len(all)-1].Seq
	}
	v.Row = parkedRow(room, all[0], n, last)
	for i, p := range all {
		said := pretty(p.Payload)
		v.Events = append(v.Events, ParkedEvent{Seq: strconv.FormatInt(p.Seq, 10), Event: p.Event.String(), Payload: said, At: p.At, Open: i == 0, Rows: rowsOf(said)})
	}
	if rest := n - int64(len(all)); rest > 0 {
		v.More = thousands(rest)
	}
	return v, nil
}

func (s *server) parkedKey(w http.ResponseWriter, r *http.Request) error {
	v, err := s.keyPage(w, r)
	if err != nil {
		return err
	}
	return s.show(w, r, v.Page())
}

// editParked changes what one event says. What is no JSON stands beside the
// field that it was typed into.
func (s *server) editParked(w http.ResponseWriter, r *http.Request) error {
	room, name, key, err := s.oneKey(r)
	if err != nil {
		return err
	}
	seq, err := strconv.ParseInt(r.PostFormValue("seq"), 10, 64)
	if err != nil {
		return fault.NotFound("There is no such event.")
	}
	typed := strings.TrimSpace(r.PostFormValue("payload"))
	bad := json.Unmarshal([]byte(typed), new(any))
	if bad == nil {
		var said bytes.Buffer
		if err := json.Compact(&said, []byte(typed)); err != nil {
			return err
		}
		if err := s.Bus.Edit(r.Context(), room, name, key, seq, said.Bytes()); err != nil {
			return err
		}
		return s.back(w, r, s.keyURL(r), fmt.Sprintf("Event %d says something else now. Try the key again.", seq))
	}
	v, err := s.keyPage(w, r)
	if err != nil {
		return err
	}
	for i := range v.Events {
		e := &v.Events[i]
		if e.Open = e.Seq == strconv.FormatInt(seq, 10); e.Open {
			e.Payload, e.Problem, e.Rows = typed, "This is not JSON: "+where(typed, bad)+" Nothing was changed.", rowsOf(typed)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	return web.Render(w, r, http.StatusUnprocessableEntity, v.Page())
}

// where says at which line a JSON text goes wrong.
func where(text string, err error) string {
	if text == "" {
		return "it is empty."
	}
	said := strings.TrimSuffix(err.Error(), ".") + "."
	if e, is := err.(*json.SyntaxError); is {
		upTo := text[:min(int(e.Offset), len(text))]
		return fmt.Sprintf("line %d, %s", strings.Count(upTo, "\n")+1, said)
	}
	return said
}

func (s *server) keyURL(r *http.Request) string {
	return "/parked/" + url.PathEscape(r.PathValue("id"))
}

// retryParked hands a key's events to their subscriber again. One that fails
// again is shown, with what it says now.
func (s *server) retryParked(w http.ResponseWriter, r *http.Request) error {
	room, name, key, err := s.oneKey(r)
	if err != nil {
		return err
	}
	upTo, err := lastSeen(r)
	if err != nil {
		return err
	}
	done, failed := s.Bus.Replay(r.Context(), room, name, key, upTo)
	if failed == nil {
		return s.unparked(w, r, "Handled", done)
	}
	v, err := s.keyPage(w, r)
	if err != nil {
		return err
	}
	v.Failed = fmt.Sprintf("It failed again: %v.", strings.TrimSuffix(failed.Error(), "."))
	if done.Events > 0 {
		v.Failed += " Handled before that: " + events(done.Events)
	}
	w.Header().Set("Cache-Control", "no-store")
	return web.Render(w, r, http.StatusConflict, v.Page())
}

func (s *server) askDrop(w http.ResponseWriter, r *http.Request) error {
	v, err := s.keyPage(w, r)
	if err != nil {
		return err
	}
	v.Asks = true
	return s.show(w, r, v.Page())
}

func (s *server) dropParked(w http.ResponseWriter, r *http.Request) error {
	room, name, key, err := s.oneKey(r)
	if err != nil {
		return err
	}
	upTo, err := lastSeen(r)
	if err != nil {
		return err
	}
	done, err := s.Bus.Drop(r.Context(), room, name, key, upTo)
	if err != nil {
		return err
	}
	return s.unparked(w, r, "Given up", done)
}

// lastSeen is the last event of a key that was parked when the form was shown:
// what came later is not meant.
func lastSeen(r *http.Request) (int64, error) {
	upTo, err := strconv.ParseInt(r.PostFormValue("up_to"), 10, 64)
	if err != nil || upTo <= 0 {
		return 0, fault.Invalid("up_to", "The form does not say which events are meant. Open the page of the key again.")
	}
	return upTo, nil
}

// unparked says what came of a key's events, where those are that are still there.
func (s *server) unparked(w http.ResponseWriter, r *http.Request, how string, done event.Unparked) error {
	said := how + ": " + events(done.Events)
	if done.Later == 0 {
		return s.back(w, r, "/parked", said)
	}
	return s.back(w, r, s.keyURL(r), said+" Parked meanwhile, and still there: "+events(done.Later))
}

func (s *server) settled(w http.ResponseWriter, r *http.Request) error {
	f, _, err := s.frame(w, r, "Settled events", "parked")
	if err != nil {
		return err
	}
	shops, err := s.Bus.LastSettled(r.Context(), settledSeen)
	if err != nil {
		return err
	}
	v := Settled{Frame: f}
	for _, shop := range shops {
		room, err := s.Fleet.ByID(r.Context(), shop)
		if fault.Is(err, fault.KindNotFound) {
			continue // an unfinished sign-up
		}
		if err != nil {
			return err
		}
		all, err := event.ListSettled(r.Context(), room)
		if err != nil {
			return err
		}
		for _, e := range all {
			v.Rows = append(v.Rows, settledRow(room, e))
		}
	}
	slices.SortStableFunc(v.Rows, func(a, b SettledRow) int { return b.At.Compare(a.At) })
	v.Rows = v.Rows[:min(len(v.Rows), settledSeen)]
	return s.show(w, r, v.Page())
}

func settledRow(room *fleet.Room, e event.Settled) SettledRow {
	row := SettledRow{
		State: "good", Word: "Handled", Label: "What it said", Shop: room.Slug(), ShopURL: "/shops/" + room.Slug(), Consumer: e.Subscriber, Topic: e.Topic, Key: e.Key,
		Problem: e.Error, Seq: strconv.FormatInt(e.Seq, 10), Said: pretty(e.Payload), At: e.At,
	}
	switch e.How {
	case "dropped":
		row.State, row.Word = "warn", "Given up"
	case "edited":
		row.State, row.Word, row.Label = "accent", "Edited", "What it said before"
	}
	return row
}

// pretty lays JSON out in lines; what is none is shown as it is.
func pretty(b []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return out.String()
}

// rowsOf is how high a field for a text is.
func rowsOf(text string) int { return max(4, min(20, strings.Count(text, "\n")+1)) }

func events(n int64) string { return eventsIn(n) + "." }

func eventsIn(n int64) string {
	if n == 1 {
		return "1 event"
	}
	return thousands(n) + " events"
}
