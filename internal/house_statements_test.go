package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A statement is one db.Q, db.C or db.Across as it stands in the source.
type statement struct {
	room, name string
	kind       string // "Q", "C" or "Across"
	at         string
	texts      []string // the text, and the override for PostgreSQL
	unreadable string
}

func checkStatements(h *house) (findings []string) {
	findings = append(findings, h.twice...)
	overridden := 0
	h.each(func(p *pkg) {
		for _, s := range h.statements(p) {
			for _, problem := range s.check(h) {
				findings = append(findings, fmt.Sprintf("%s %s: %s", s.at, s.name, problem))
			}
			overridden += max(0, len(s.texts)-1)
		}
	})
	if overridden > overrides {
		findings = append(findings, fmt.Sprintf("%d statements have another text on PostgreSQL; the budget is %d", overridden, overrides))
	}
	return findings
}

// statements finds those of a package's own code, and calls that are not
// package variables or whose text is not constant.
func (h *house) statements(p *pkg) []statement {
	texts := constants(p)
	seen := map[*ast.CallExpr]bool{}
	var out []statement
	for _, f := range p.files {
		if f.test {
			continue
		}
		for _, decl := range f.ast.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				v := spec.(*ast.ValueSpec)
				for i, value := range v.Values {
					s := statement{room: room(p.dir), at: h.position(value.Pos())}
					if i < len(v.Names) {
						s.name = v.Names[i].Name
					}
					if s.read(p, value, texts, seen) {
						out = append(out, s)
					}
				}
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && !seen[call] && statementKind(p, call) != "" {
				out = append(out, statement{at: h.position(call.Pos()), unreadable: "a statement is a package variable of its own, prepared once"})
			}
			return true
		})
	}
	return out
}

// read takes db.Q(text) or db.Q(text).Postgres(text, reason).
func (s *statement) read(p *pkg, value ast.Expr, texts map[string]ast.Expr, seen map[*ast.CallExpr]bool) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Postgres" && len(call.Args) == 2 {
		if !s.read(p, sel.X, texts, seen) {
			return false
		}
		s.add(call.Args[0], texts)
		if reason, ok := text(call.Args[1], texts); !ok || len(reason) < 10 {
			s.unreadable = "an override on PostgreSQL needs its reason"
		}
		return true
	}
	kind := statementKind(p, call)
	if kind == "" || len(call.Args) != 1 {
		return false
	}
	seen[call] = true
	s.kind = kind
	s.add(call.Args[0], texts)
	return true
}

func (s *statement) add(arg ast.Expr, texts map[string]ast.Expr) {
	t, ok := text(arg, texts)
	if !ok {
		s.unreadable = "its text is put together from more than literals and names of the package"
		return
	}
	s.texts = append(s.texts, t)
}

func statementKind(p *pkg, call *ast.CallExpr) string {
	name := ""
	switch fun := call.Fun.(type) {
	case *ast.SelectorExpr:
		if x, ok := fun.X.(*ast.Ident); ok && x.Name == "db" {
			name = fun.Sel.Name
		}
	case *ast.Ident:
		if p.dir == "internal/db" {
			name = fun.Name
		}
	}
	if slices.Contains([]string{"Q", "C", "Across"}, name) {
		return name
	}
	return ""
}

// constants gives the package's constants and variables of text.
func constants(p *pkg) map[string]ast.Expr {
	out := map[string]ast.Expr{}
	for _, f := range p.files {
		for _, decl := range f.ast.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST && d.Tok != token.VAR || f.test {
				continue
			}
			for _, spec := range d.Specs {
				v := spec.(*ast.ValueSpec)
				for i := range min(len(v.Names), len(v.Values)) {
					out[v.Names[i].Name] = v.Values[i]
				}
			}
		}
	}
	return out
}

func text(e ast.Expr, texts map[string]ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.ParenExpr:
		return text(e.X, texts)
	case *ast.Ident:
		if value, ok := texts[e.Name]; ok {
			return text(value, texts)
		}
	case *ast.BinaryExpr:
		left, ok1 := text(e.X, texts)
		right, ok2 := text(e.Y, texts)
		return left + right, ok1 && ok2 && e.Op == token.ADD
	}
	return "", false
}

func (s *statement) check(h *house) (problems []string) {
	if s.unreadable != "" {
		return []string{s.unreadable}
	}
	if s.kind == "C" && control[s.room] == "" {
		return []string{"only " + strings.Join(keys(control), " and ") + " have statements on the control database"}
	}
	if at := s.room + "." + s.name; s.kind == "Across" && across[at] == "" {
		return []string{fmt.Sprintf("%q is not listed as a shard-wide statement", at)}
	}
	for _, t := range s.texts {
		q := parseSQL(t)
		for _, r := range q.refs {
			made, ok := h.tables[r.table]
			switch {
			case !ok:
				problems = append(problems, fmt.Sprintf("no schema creates the table %s", r.table))
				continue
			case r.written && made.room != s.room:
				problems = append(problems, fmt.Sprintf("writes %s, a table of %s", r.table, made.room))
			case r.written && s.kind == "Across":
				problems = append(problems, fmt.Sprintf("writes %s for all shops at once", r.table))
			case made.room != s.room && readers[s.room+" → "+r.table] == "" && s.kind != "Across":
				problems = append(problems, fmt.Sprintf("reads %s, a table of %s, and %q is not listed", r.table, made.room, s.room+" → "+r.table))
			}
			if s.kind != "Q" || shopless[r.table] != "" {
				continue
			}
			if !made.byKey {
				problems = append(problems, fmt.Sprintf("the primary key of %s does not begin with the shop", r.table))
			}
			if !q.tied(r) {
				problems = append(problems, fmt.Sprintf("%s is not tied to $1, the shop", r))
			}
		}
	}
	return problems
}

func keys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// A query is a statement cut into words. Blocks are its selects: what stands
// between a parenthesis and its end, or a UNION.
type query struct {
	words []string
	depth []int
	block []int
	refs  []ref
}

// A ref is a table named in a statement, at words[at].
type ref struct {
	table, alias string
	at           int
	written      bool
	inserted     bool
}

func (r ref) String() string {
	if r.alias != r.table {
		return r.table + " " + r.alias
	}
	return r.table
}

var (
	sqlWord  = regexp.MustCompile(`'(?:[^']|'')*'|"[^"]+"|\$\d+|[A-Za-z_]\w*(?:\.(?:\w+|\*))?|\d+|<>|<=|>=|\|\||::|[^\s\w]`)
	clauses  = []string{"WHERE", "GROUP", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "HAVING", "WINDOW", "RETURNING", "SET", "SELECT", "VALUES", "FROM", "USING", "OFFSET"}
	notAlias = append([]string{"ON", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "DEFAULT", "DO"}, clauses...)
)

func parseSQL(text string) *query {
	q := &query{}
	blocks, open, depth := 0, []int{0}, 0
	for _, w := range sqlWord.FindAllString(sqlComment.ReplaceAllString(text, ""), -1) {
		if len(w) > 0 && w[0] != '\'' {
			w = strings.ToLower(w)
		}
		switch strings.ToUpper(w) {
		case "(":
			blocks++
			open = append(open, blocks)
			depth++
		case "UNION", "EXCEPT", "INTERSECT":
			blocks++
			open[len(open)-1] = blocks
		}
		q.words = append(q.words, w)
		q.depth = append(q.depth, depth)
		q.block = append(q.block, open[len(open)-1])
		if w == ")" && depth > 0 {
			depth--
			open = open[:len(open)-1]
		}
	}
	q.find()
	return q
}

func (q *query) word(i int) string {
	if i < 0 || i >= len(q.words) {
		return ""
	}
	return q.words[i]
}

func (q *query) is(i int, words ...string) bool {
	return slices.Contains(words, strings.ToUpper(q.word(i)))
}

// find fills refs.
func (q *query) find() {
	named := map[string]bool{} // by WITH
	for i := range q.words {
		if !q.is(i, "AS") || !(q.word(i+1) == "(" || q.is(i+1, "MATERIALIZED", "NOT")) {
			continue
		}
		at := i - 1
		if q.word(at) == ")" { // WITH name (columns) AS
			at = q.back(at) - 1
		}
		if at >= 0 {
			named[q.words[at]] = true
		}
	}
	add := func(i int, written, inserted bool) {
		name := q.word(i)
		if named[name] || q.word(i+1) == "(" && !inserted || !regexp.MustCompile(`^[a-z_]\w*$`).MatchString(name) {
			return // a WITH, a function, a select
		}
		r := ref{table: name, alias: name, at: i, written: written, inserted: inserted}
		if q.is(i+1, "AS") {
			r.alias = q.word(i + 2)
		} else if next := q.word(i + 1); regexp.MustCompile(`^[a-z_]\w*$`).MatchString(next) && !q.is(i+1, notAlias...) {
			r.alias = next
		}
		q.refs = append(q.refs, r)
	}
	for i := range q.words {
		switch {
		case q.is(i, "INTO"):
			add(i+1, true, true)
		case q.is(i, "UPDATE") && !q.is(i-1, "DO", "FOR"):
			add(i+1, true, false)
		case q.is(i, "FROM") && q.is(i-1, "DELETE"):
			add(i+1, true, false)
		case q.is(i, "FROM") && !q.is(i-1, "DISTINCT"):
			q.list(i, add)
		case q.is(i, "USING") && q.word(i+1) != "(": // DELETE … USING
			q.list(i, add)
		}
	}
}

// list adds the tables of a FROM at words[i]: those after it, after its
// commas and after its JOINs, at the same depth.
func (q *query) list(i int, add func(int, bool, bool)) {
	add(i+1, false, false)
	for j := i + 1; j < len(q.words) && q.block[j] != -1; j++ {
		if q.depth[j] < q.depth[i] || q.depth[j] == q.depth[i] && (q.is(j, clauses...) || q.word(j) == ")") {
			return
		}
		if q.depth[j] == q.depth[i] && (q.word(j) == "," || q.is(j, "JOIN")) {
			add(j+1, false, false)
		}
	}
}

// back finds the parenthesis that the one at words[i] closes.
func (q *query) back(i int) int {
	for j := i - 1; j >= 0; j-- {
		if q.word(j) == "(" && q.depth[j] == q.depth[i] {
			return j
		}
	}
	return 0
}

// tied tells whether the rows of r can only be those of $1: by a condition of
// its own select that no OR weakens, directly or through another table that is
// tied; or, when inserted into, because the first value is the shop.
func (q *query) tied(r ref) bool {
	if r.inserted {
		return q.insertsShop(r)
	}
	return q.follows(r, nil)
}

func (q *query) follows(r ref, from []int) bool {
	for i := range q.words {
		var other string
		switch {
		case q.word(i+1) == "=" && q.names(r, i):
			other = q.word(i + 2)
		case q.word(i-1) == "=" && q.names(r, i):
			other = q.word(i - 2)
		case q.rowValue(i) && q.names(r, i+1): // (shop, id) = ($1, $2)
			other = q.word(q.rowEnd(i) + 3)
		default:
			continue
		}
		at := i
		if q.word(i) == "(" {
			at-- // the parenthesis opens a block of its own
		}
		if q.block[at] != q.block[r.at] || !q.required(i) {
			continue
		}
		if other == "$1" {
			return true
		}
		for _, o := range q.refs {
			if other == o.alias+".shop" && !o.inserted && !slices.Contains(from, o.at) && o.at != r.at && q.follows(o, append(from, r.at)) {
				return true
			}
		}
	}
	return false
}

// names tells whether words[i] is the shop of r.
func (q *query) names(r ref, i int) bool {
	if q.word(i) == r.alias+".shop" {
		return true
	}
	alone := 0
	for _, o := range q.refs {
		if q.block[o.at] == q.block[r.at] && !o.inserted {
			alone++
		}
	}
	return q.word(i) == "shop" && alone == 1
}

func (q *query) rowValue(i int) bool {
	return q.word(i) == "(" && q.word(i+2) == "," && q.rowEnd(i) > 0 && q.word(q.rowEnd(i)+1) == "=" && q.word(q.rowEnd(i)+2) == "("
}

func (q *query) rowEnd(i int) int {
	for j := i + 1; j < len(q.words); j++ {
		if q.word(j) == ")" && q.depth[j] == q.depth[i] {
			return j
		}
	}
	return 0
}

// required tells whether the condition at words[i] must hold: it stands in a
// WHERE or ON with nothing but AND around it.
func (q *query) required(i int) bool {
	depth := q.depth[i]
	if q.word(i) == "(" {
		depth--
	}
	if q.is(i-1, "NOT") || q.is(i-2, "NOT") && q.word(i-1) == "=" {
		return false
	}
	for j := i - 1; ; j-- {
		if j < 0 || q.depth[j] < depth || q.depth[j] == depth && (q.is(j, "OR", "JOIN", "CASE") || q.is(j, clauses...) && !q.is(j, "WHERE")) {
			return false
		}
		if q.depth[j] == depth && q.is(j, "WHERE", "ON") {
			break
		}
	}
	for j := i + 1; j < len(q.words) && q.depth[j] >= depth; j++ {
		if q.depth[j] == depth && q.is(j, "OR") {
			return false
		}
		if q.depth[j] == depth && (q.is(j, clauses...) || q.is(j, "JOIN", "LEFT", "ON") || q.word(j) == ")") {
			break
		}
	}
	return true
}

// insertsShop tells whether the first column is the shop and every row's
// first value is $1, or the shop of a table that is itself tied.
func (q *query) insertsShop(r ref) bool {
	i := r.at + 1
	for q.word(i) != "(" {
		if i >= len(q.words) || q.is(i, "VALUES", "SELECT") {
			return false
		}
		i++
	}
	if q.word(i+1) != "shop" {
		return false
	}
	depth := q.depth[r.at]
	for j := i; j < len(q.words); j++ {
		switch {
		case q.depth[j] != depth:
		case q.is(j, "SELECT"):
			first := q.word(j + 1)
			if q.is(j+1, "DISTINCT") {
				first = q.word(j + 2)
			}
			return first == "$1" || first == "shop" || strings.HasSuffix(first, ".shop")
		case q.is(j, "VALUES"):
			for k := j + 1; q.word(k) == "("; k = q.rowEnd(k) + 2 {
				if q.word(k+1) != "$1" {
					return false
				}
				if q.word(q.rowEnd(k)+1) != "," {
					return true
				}
			}
			return false
		}
	}
	return false
}
