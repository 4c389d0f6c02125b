package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// APIDocs is GET /docs/api: the API described for people.
type APIDocs struct {
	Public
	API     API
	SpecURL string // of the OpenAPI document itself
}

// API is what a page needs of an OpenAPI document; see ReadOpenAPI.
type API struct {
	Title, Version, About string
	Groups                []APIGroup
}

// APIGroup is the operations that share a tag, or the first word of their id.
type APIGroup struct {
	Name, Anchor, About string
	Operations          []APIOperation
}

// APIOperation is one method of one path.
type APIOperation struct {
	Anchor, Method, Path, Summary, About string
	Token                                bool // needs a bearer token
	Parameters                           []APIField
	Body                                 []APIField
	BodyType                             string
	BodyExample                          string
	Answers                              []APIAnswer
	Curl                                 string
}

// APIAnswer is one status an operation may answer with.
type APIAnswer struct {
	Status, About string
	Fields        []APIField
	Example       string
}

// APIField is a parameter, or a field of a body: Depth says how far inside.
type APIField struct {
	Name, Type, In, About string
	Required              bool
	Depth                 int
}

// node is any object of the document, read leniently.
type node = map[string]any

// deepest is how far nested schemas are followed.
const deepest = 5

var methods = []string{"get", "post", "put", "patch", "delete"}

// ReadOpenAPI reads an OpenAPI 3 document in JSON. server is the address
// that the examples call. Operations keep the order of their paths' names.
func ReadOpenAPI(doc []byte, server string) (API, error) {
	var root node
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	if err := dec.Decode(&root); err != nil {
		return API{}, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	r := reader{root: root, server: strings.TrimRight(server, "/")}
	info := sub(root, "info")
	api := API{Title: text(info, "title"), Version: text(info, "version"), About: text(info, "description")}
	abouts := map[string]string{}
	for _, t := range items(root, "tags") {
		abouts[text(t, "name")] = text(t, "description")
	}
	paths := sub(root, "paths")
	for _, path := range sortedKeys(paths) {
		shared := items(sub(paths, path), "parameters")
		for _, method := range methods {
			op, ok := sub(paths, path)[method].(node)
			if !ok {
				continue
			}
			o := r.operation(method, path, op, shared)
			name := groupOf(op)
			i := slices.IndexFunc(api.Groups, func(g APIGroup) bool { return g.Name == name })
			if i < 0 {
				api.Groups = append(api.Groups, APIGroup{Name: name, Anchor: anchor("group-" + name), About: abouts[name]})
				i = len(api.Groups) - 1
			}
			api.Groups[i].Operations = append(api.Groups[i].Operations, o)
		}
	}
	slices.SortStableFunc(api.Groups, func(a, b APIGroup) int { return strings.Compare(a.Name, b.Name) })
	return api, nil
}

type reader struct {
	root   node
	server string
}

func (r reader) operation(method, path string, op node, shared []node) APIOperation {
	o := APIOperation{
		Method: strings.ToUpper(method), Path: path,
		Summary: text(op, "summary"), About: text(op, "description"),
		Token:  len(items(op, "security")) > 0,
		Anchor: anchor(method + "-" + path),
	}
	if o.Summary == "" {
		o.Summary = text(op, "operationId")
	}
	for _, p := range append(slices.Clone(shared), items(op, "parameters")...) {
		p = r.follow(p)
		f := APIField{Name: text(p, "name"), In: text(p, "in"), About: text(p, "description")}
		f.Required, _ = p["required"].(bool)
		s := r.follow(sub(p, "schema"))
		f.Type = r.typeOf(s)
		if f.About == "" {
			f.About = text(s, "description")
		}
		f.About = sentence(f.About, limits(s))
		o.Parameters = append(o.Parameters, f)
	}
	slices.SortStableFunc(o.Parameters, func(a, b APIField) int { return placing(a.In) - placing(b.In) })
	if body := r.follow(sub(op, "requestBody")); len(body) > 0 {
		kind, schema := content(body)
		o.BodyType = kind
		o.Body = r.fields(schema, 0, nil)
		o.BodyExample = r.exampleText(schema)
	}
	answers := sub(op, "responses")
	for _, code := range sortedKeys(answers) {
		a := r.follow(sub(answers, code))
		_, schema := content(a)
		answer := APIAnswer{Status: code, About: text(a, "description")}
		if code < "300" {
			answer.Fields = r.fields(schema, 0, nil)
			answer.Example = r.exampleText(schema)
		}
		o.Answers = append(o.Answers, answer)
	}
	o.Curl = r.curl(o)
	return o
}

// fields lists the fields of an object, those of inner objects after the
// field that holds them.
func (r reader) fields(schema node, depth int, seen []string) []APIField {
	if ref := text(schema, "$ref"); ref != "" {
		if slices.Contains(seen, ref) {
			return nil
		}
		seen = append(slices.Clone(seen), ref)
	}
	s := r.follow(schema)
	if depth > deepest || len(s) == 0 {
		return nil
	}
	if inner, ok := s["items"].(node); ok {
		return r.fields(inner, depth, seen)
	}
	var out []APIField
	for _, part := range items(s, "allOf") {
		out = append(out, r.fields(part, depth, seen)...)
	}
	required, _ := s["required"].([]any)
	props := sub(s, "properties")
	for _, name := range sortedKeys(props) {
		if name == "$schema" {
			continue
		}
		p := sub(props, name)
		full := r.follow(p)
		about := text(p, "description")
		if about == "" {
			about = text(full, "description")
		}
		out = append(out, APIField{
			Name: name, Type: r.typeOf(p), Depth: depth,
			Required: slices.Contains(required, any(name)),
			About:    sentence(about, limits(full)),
		})
		out = append(out, r.fields(p, depth+1, seen)...)
	}
	return out
}

// follow resolves a reference within the document.
func (r reader) follow(n node) node {
	for range 8 {
		ref := text(n, "$ref")
		if ref == "" {
			return n
		}
		at := r.root
		for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			at = sub(at, strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
		}
		n = at
	}
	return n
}

// typeOf writes a type as people say it: "string", "list of Product".
func (r reader) typeOf(n node) string {
	if ref := text(n, "$ref"); ref != "" {
		if s := r.follow(n); text(s, "type") != "" && text(s, "type") != "object" {
			return r.typeOf(s)
		}
		return ref[strings.LastIndexByte(ref, '/')+1:]
	}
	kind := text(n, "type")
	if many, ok := n["type"].([]any); ok {
		for _, m := range many {
			if m, _ := m.(string); m != "null" {
				kind = m
			}
		}
	}
	switch {
	case kind == "array":
		return "list of " + r.typeOf(sub(n, "items"))
	case text(n, "format") == "binary":
		return "file"
	case text(n, "format") == "date-time":
		return "time"
	case kind == "":
		return "any"
	}
	return kind
}

// exampleText writes an example of a schema as indented JSON.
func (r reader) exampleText(schema node) string {
	if len(schema) == 0 {
		return ""
	}
	b, err := json.MarshalIndent(r.example(schema, 0, nil), "", "  ")
	if err != nil {
		return ""
	}
	return string(b)
}

func (r reader) example(schema node, depth int, seen []string) any {
	if ref := text(schema, "$ref"); ref != "" {
		if slices.Contains(seen, ref) {
			return node{}
		}
		seen = append(slices.Clone(seen), ref)
	}
	s := r.follow(schema)
	if ex, ok := s["example"]; ok {
		return ex
	}
	if ex, ok := s["examples"].([]any); ok && len(ex) > 0 {
		return ex[0]
	}
	if def, ok := s["default"]; ok {
		return def
	}
	if all, ok := s["enum"].([]any); ok && len(all) > 0 {
		return all[0]
	}
	switch kind := r.typeOf(node{"type": s["type"]}); {
	case depth > deepest:
		return nil
	case kind == "string":
		if text(s, "format") == "date-time" {
			return "2026-11-24T09:30:00Z"
		}
		return "…"
	case kind == "integer", kind == "number":
		return 1
	case kind == "boolean":
		return true
	case strings.HasPrefix(kind, "list"):
		return []any{r.example(sub(s, "items"), depth+1, seen)}
	}
	out := node{}
	for _, part := range items(s, "allOf") {
		if m, ok := r.example(part, depth, seen).(node); ok {
			for k, v := range m {
				out[k] = v
			}
		}
	}
	for name := range sub(s, "properties") {
		if name != "$schema" {
			out[name] = r.example(sub(sub(s, "properties"), name), depth+1, seen)
		}
	}
	return out
}

// curl writes the operation as a command to try.
func (r reader) curl(o APIOperation) string {
	var b strings.Builder
	b.WriteString("curl")
	if o.Method != "GET" {
		b.WriteString(" -X " + o.Method)
	}
	b.WriteString(" '" + r.server + o.Path + "'")
	if o.Token {
		b.WriteString(" \\\n  -H \"Authorization: Bearer $TOKEN\"")
	}
	switch {
	case o.BodyType == "multipart/form-data":
		for _, f := range o.Body {
			if f.Type == "file" {
				b.WriteString(" \\\n  -F '" + f.Name + "=@products.csv'")
			} else {
				b.WriteString(" \\\n  -F '" + f.Name + "=…'")
			}
		}
	case o.BodyExample != "":
		var compact bytes.Buffer
		if json.Compact(&compact, []byte(o.BodyExample)) == nil {
			b.WriteString(" \\\n  -H 'Content-Type: application/json' \\\n  -d '" + strings.ReplaceAll(compact.String(), "'", `'\''`) + "'")
		}
	}
	return b.String()
}

func content(n node) (kind string, schema node) {
	kinds := sub(n, "content")
	for _, k := range sortedKeys(kinds) {
		if kind == "" || k == "application/json" {
			kind, schema = k, sub(sub(kinds, k), "schema")
		}
	}
	return kind, schema
}

func limits(s node) string {
	var out []string
	for _, l := range []struct{ key, words string }{
		{"minimum", "at least %v"}, {"maximum", "at most %v"}, {"minLength", "at least %v characters"},
		{"maxLength", "at most %v characters"}, {"maxItems", "at most %v of them"}, {"default", "default %v"},
	} {
		if v, ok := s[l.key]; ok {
			out = append(out, fmt.Sprintf(l.words, v))
		}
	}
	if all, ok := s["enum"].([]any); ok {
		words := make([]string, len(all))
		for i, v := range all {
			words[i] = fmt.Sprint(v)
		}
		out = append(out, "one of "+strings.Join(words, ", "))
	}
	return strings.Join(out, ", ")
}

func sentence(about, more string) string {
	switch {
	case more == "":
		return about
	case about == "":
		return strings.ToUpper(more[:1]) + more[1:] + "."
	}
	return strings.TrimRight(about, ".") + "; " + more + "."
}

func groupOf(op node) string {
	if tags, ok := op["tags"].([]any); ok && len(tags) > 0 {
		if name, _ := tags[0].(string); name != "" {
			return name
		}
	}
	name, _, _ := strings.Cut(text(op, "operationId"), ".")
	name, _, _ = strings.Cut(name, "-")
	if name == "" {
		return "other"
	}
	return name
}

// placing puts what a caller must give first: path, query, then headers.
func placing(in string) int {
	switch in {
	case "path":
		return 0
	case "query":
		return 1
	}
	return 2
}

func anchor(s string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(s)), "-")
}

func sub(n node, key string) node {
	m, _ := n[key].(node)
	return m
}

func text(n node, key string) string {
	s, _ := n[key].(string)
	return s
}

func items(n node, key string) []node {
	list, _ := n[key].([]any)
	out := make([]node, 0, len(list))
	for _, v := range list {
		if m, ok := v.(node); ok {
			out = append(out, m)
		}
	}
	return out
}

func sortedKeys(n node) []string {
	keys := make([]string, 0, len(n))
	for k := range n {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
