package db

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// SQL is one statement about one shop, written once for both engines.
type SQL struct{ stmt }

// ControlSQL is one statement on the control database, which belongs to no shop.
type ControlSQL struct{ stmt }

// AcrossSQL is one shard-wide statement. It returns shop ids and counts only.
type AcrossSQL struct{ stmt }

// stmt is a statement in the words of each engine. Its address is the key
// under which connections keep it prepared.
type stmt struct {
	sqlite, postgres string
	docs             bool // it may write settings documents
}

var param = regexp.MustCompile(`\$(\d+)`)

func newStmt(text string) stmt {
	text = strings.TrimSpace(text)
	// SQLite numbers a bare $n by first appearance, which would silently swap
	// arguments; ?n means what $n means on PostgreSQL.
	lite := orFail.ReplaceAllString(param.ReplaceAllString(text, "?$1"), "$1 OR FAIL $2")
	return stmt{sqlite: lite, postgres: text, docs: writesDocs(text)}
}

// orFail finds where a statement says what becomes of it when a row is refused.
// Each table has triggers (capture.go), for whose sake SQLite would keep a copy
// of every page that the statement touches, to undo half of it: a tenth of an
// order. A change whose statement failed is undone as a whole, as on PostgreSQL.
var orFail = regexp.MustCompile(`(?i)^(INSERT|UPDATE)\s+((?:INTO\s)?\s*[a-z_0-9]+\s)`)

// Q declares a statement. $1 is always the shop and is bound for the caller;
// arguments begin at $2. Declare statements as package variables: a statement
// stays prepared on every connection that ran it.
func Q(text string) *SQL { return &SQL{newStmt(text)} }

// Postgres gives the statement another text on PostgreSQL. The reason is for
// the reader; a test counts the overrides.
func (q *SQL) Postgres(text, reason string) *SQL {
	_ = reason
	q.postgres = strings.TrimSpace(text)
	return q
}

// C declares a statement on the control database. Arguments begin at $1.
func C(text string) *ControlSQL { return &ControlSQL{newStmt(text)} }

// Across declares a shard-wide statement for discovery, sweeping and checking.
// It must return exactly two columns: a shop id and a count. Arguments begin
// at $1.
func Across(text string) *AcrossSQL { return &AcrossSQL{newStmt(text)} }

// SchemaSet is the schema of one room: numbered files that run in order, once
// a database.
type SchemaSet struct {
	Room  string
	files fs.FS
}

// Schema declares a room's schema from an embedded folder schema/ holding
// NNNN_name.sql files. A file named NNNN_name.postgres.sql or
// NNNN_name.sqlite.sql runs on that engine only.
func Schema(room string, files fs.FS) *SchemaSet { return &SchemaSet{Room: room, files: files} }

var (
	createTable = regexp.MustCompile(`(?is)create\s+table\s+(?:if\s+not\s+exists\s+)?([a-z_0-9]+)\s*\(`)
	dropTable   = regexp.MustCompile(`(?is)drop\s+table\s+(?:if\s+exists\s+)?([a-z_0-9]+)\s*;`)
	narrow      = regexp.MustCompile(`(?is)--\s*narrow[^\n]*\n(\s*create\s+table.*?\n\))\s*;`)
)

// Tables lists the tables that the set creates and does not drop again.
func (s *SchemaSet) Tables() ([]string, error) {
	steps, err := s.steps("")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, st := range steps {
		for _, m := range createTable.FindAllStringSubmatch(st.text, -1) {
			out = append(out, strings.ToLower(m[1]))
		}
		for _, m := range dropTable.FindAllStringSubmatch(st.text, -1) {
			out = slices.DeleteFunc(out, func(t string) bool { return t == strings.ToLower(m[1]) })
		}
	}
	return out, nil
}

// Newest gives the newest version of each room's schema that this program
// knows, on SQLite, that of the clocks included.
func Newest(sets []*SchemaSet) (map[string]int64, error) {
	out := map[string]int64{}
	for _, s := range append([]*SchemaSet{clockSchema, fenceSchema}, sets...) {
		steps, err := s.steps("sqlite")
		if err != nil {
			return nil, err
		}
		for _, st := range steps {
			out[s.Room] = max(out[s.Room], int64(st.version))
		}
	}
	return out, nil
}

type step struct {
	version int
	name    string
	text    string
}

// steps reads the files that engine runs, in order. An empty engine reads
// those for both.
func (s *SchemaSet) steps(engine string) ([]step, error) {
	names, err := fs.Glob(s.files, "schema/*.sql")
	if err != nil {
		return nil, err
	}
	var out []step
	for _, name := range names {
		base := strings.TrimPrefix(name, "schema/")
		var version int
		if _, err := fmt.Sscanf(base, "%d_", &version); err != nil || version < 1 {
			return nil, fmt.Errorf("schema of %s: %s does not begin with a number", s.Room, base)
		}
		if parts := strings.Split(base, "."); len(parts) == 3 && parts[1] != engine {
			continue
		}
		b, err := fs.ReadFile(s.files, name)
		if err != nil {
			return nil, err
		}
		text := string(b)
		if engine == "sqlite" {
			text = narrow.ReplaceAllString(text, "$1 WITHOUT ROWID;")
		}
		out = append(out, step{version, base, text})
	}
	return out, nil
}
