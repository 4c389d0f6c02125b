package app

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"mime"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is what the document promises of every answer.
type contract struct {
	schemas *jsonschema.Compiler
	paths   []promised
	mu      sync.Mutex // of schemas
}

type promised struct {
	pattern *regexp.Regexp
	methods map[string]struct {
		OperationID string
		Summary     string
		Responses   map[string]struct {
			Content map[string]json.RawMessage
		}
	}
	path string
}

var placeholder = regexp.MustCompile(`\\\{[^}]*\\\}`)

func readContract(t *testing.T, doc []byte) *contract {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{schemas: jsonschema.NewCompiler()}
	c.schemas.AssertFormat()
	if err := c.schemas.AddResource("mem:api.json", parsed); err != nil {
		t.Fatal(err)
	}
	var d struct{ Paths map[string]json.RawMessage }
	if err := json.Unmarshal(doc, &d); err != nil {
		t.Fatal(err)
	}
	for path, item := range d.Paths {
		p := promised{path: path, pattern: regexp.MustCompile("^" + placeholder.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")}
		if err := json.Unmarshal(item, &p.methods); err != nil {
			t.Fatal(err)
		}
		c.paths = append(c.paths, p)
	}
	return c
}

// of finds the operation that a path means: one without placeholders first.
func (c *contract) of(method, path string) (p promised, name string) {
	for _, x := range c.paths {
		o, ok := x.methods[strings.ToLower(method)]
		if ok && x.pattern.MatchString(path) && (name == "" || strings.Count(x.path, "{") < strings.Count(p.path, "{")) {
			p, name = x, o.OperationID
		}
	}
	return p, name
}

// check compares an answer with what is promised.
func (c *contract) check(method, path string, status int, kind, body string) error {
	p, name := c.of(method, path)
	if name == "" {
		if status == 404 || status == 405 {
			return nil
		}
		return fmt.Errorf("there is no such operation in the document, but it answers")
	}
	r, ok := p.methods[strings.ToLower(method)].Responses[fmt.Sprint(status)]
	if !ok {
		return fmt.Errorf("the document does not say that %s may answer %d", name, status)
	}
	media, _, err := mime.ParseMediaType(cmp.Or(kind, "none/none"))
	if err != nil {
		return err
	}
	if len(r.Content) == 0 {
		if body != "" {
			return fmt.Errorf("%s answers %d with a body that the document does not tell of", name, status)
		}
		return nil
	}
	if _, ok := r.Content[media]; !ok {
		return fmt.Errorf("%s answers %s, which the document does not tell of", name, media)
	}
	if !strings.HasSuffix(media, "json") {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	s, err := c.schemas.Compile("mem:api.json#/paths/" + escape.Replace(p.path) + "/" + strings.ToLower(method) + "/responses/" + fmt.Sprint(status) + "/content/" + escape.Replace(media) + "/schema")
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// TestTheDocument holds the document against the specification of OpenAPI 3.1.
func TestTheDocument(t *testing.T) {
	s := open(t, nil)
	doc := s.get(domain+"/api/v1/openapi.json", "").want(200)
	if kind := doc.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("it is %s", kind)
	}
	doc.is("3.1.0", "openapi")
	text, err := os.ReadFile("testdata/openapi-3.1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	specified, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:openapi.json", specified); err != nil {
		t.Fatal(err)
	}
	specification, err := c.Compile("mem:openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(doc.body))
	if err != nil {
		t.Fatal(err)
	}
	if err := specification.Validate(parsed); err != nil {
		t.Errorf("%v", err)
	}
	broken, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.Replace(doc.body, `"responses":`, `"answers":`, 1)))
	if err != nil || specification.Validate(broken) == nil {
		t.Errorf("a document with an error is not found to be one; %v", err)
	}
	promises := readContract(t, []byte(doc.body))
	ids, operations := map[string]bool{}, 0
	for _, p := range promises.paths {
		for method, o := range p.methods {
			operations++
			if o.Summary == "" || o.OperationID == "" || ids[o.OperationID] || len(o.Responses) < 2 {
				t.Errorf("%s %s: %+v", method, p.path, o)
			}
			ids[o.OperationID] = true
		}
	}
	if operations != len(s.app.registry.Infos()) {
		t.Errorf("the document has %d operations, not %d", operations, len(s.app.registry.Infos()))
	}
	page := s.get(domain+"/docs/api", "").want(200)
	if !strings.Contains(page.body, "/api/v1/shops") || !strings.Contains(page.body, "Place an order") {
		t.Error("the page of the API does not tell of it")
	}
	// What does not keep the contract is found.
	good := `{"items":[],"next":null}`
	for _, x := range []struct {
		status     int
		kind, body string
		broken     bool
	}{
		{200, "application/json", good, false}, {200, "application/json", `{"items":null,"next":null}`, true}, {200, "application/json", `{"items":[]}`, true},
		{200, "application/json", `{"items":[{"id":1}],"next":null}`, true}, {200, "text/html", good, true}, {418, "application/json", good, true},
	} {
		if err := promises.check("GET", "/api/v1/shops", x.status, x.kind, x.body); (err != nil) != x.broken {
			t.Errorf("%+v: %v", x, err)
		}
	}
}
