package house

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A house is the source of a module, read but not type-checked, which takes a
// tenth of a second.
type house struct {
	fset   *token.FileSet
	pkgs   map[string]*pkg  // by folder below the module: "internal/catalog"
	tables map[string]table // by name, from every schema/*.sql
	twice  []string         // tables that two rooms create
}

type pkg struct {
	dir   string
	files []*file
}

type file struct {
	path      string
	ast       *ast.File
	test      bool // _test.go
	generated bool
	lines     int
}

type table struct {
	room  string // "catalog"
	byKey bool   // the primary key begins with the shop
}

const module = "haat/"

// load reads the Go files and schemas below a module's folder.
func load(tree fs.FS) (*house, error) {
	h := &house{fset: token.NewFileSet(), pkgs: map[string]*pkg{}, tables: map[string]table{}}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if entry.IsDir() {
			if name != "." && (base[0] == '.' || base == "testdata" || base == "node_modules" || base == "data" || base == "tools") {
				return fs.SkipDir
			}
			return nil
		}
		switch {
		case strings.HasSuffix(name, ".go"):
			return h.readGo(tree, name)
		case strings.HasSuffix(name, ".sql") && path.Base(path.Dir(name)) == "schema":
			return h.readSchema(tree, name)
		}
		return nil
	})
	return h, err
}

var generatedLine = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func (h *house) readGo(tree fs.FS, name string) error {
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(h.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	if h.pkgs[dir] == nil {
		h.pkgs[dir] = &pkg{dir: dir}
	}
	h.pkgs[dir].files = append(h.pkgs[dir].files, &file{
		path:      name,
		ast:       parsed,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: generatedLine.Match(src[:min(len(src), 300)]),
		lines:     bytes.Count(src, []byte("\n")),
	})
	return nil
}

var (
	sqlComment  = regexp.MustCompile(`--[^\n]*`)
	createTable = regexp.MustCompile(`(?is)create\s+table\s+(?:if\s+not\s+exists\s+)?(\w+)\s*\((.*?)\)\s*;`)
	keyedByShop = regexp.MustCompile(`(?i)primary\s+key\s*\(\s*shop\b|\bshop\s+bigint\s[^,]*primary\s+key`)
)

func (h *house) readSchema(tree fs.FS, name string) error {
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	for _, m := range createTable.FindAllSubmatch(sqlComment.ReplaceAll(src, nil), -1) {
		t := table{room: room(path.Dir(path.Dir(name))), byKey: keyedByShop.Match(m[2])}
		at := strings.ToLower(string(m[1]))
		if old, ok := h.tables[at]; ok && old.room != t.room {
			h.twice = append(h.twice, fmt.Sprintf("table %s is created by %s and by %s", at, old.room, t.room))
		}
		h.tables[at] = t
	}
	return nil
}

// room is the first folder below internal, or the top folder outside it.
func room(dir string) string {
	dir = strings.TrimPrefix(dir, "internal/")
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// support tells a package that exists for tests: dbtest, fleettest.
func support(dir string) bool {
	return strings.HasSuffix(path.Base(dir), "test")
}

// each visits packages in order.
func (h *house) each(visit func(*pkg)) {
	var dirs []string
	for dir := range h.pkgs {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	for _, dir := range dirs {
		visit(h.pkgs[dir])
	}
}

// imports gives what a package's own code, not its tests, imports.
func (p *pkg) imports() []string {
	var out []string
	for _, f := range p.files {
		if f.test {
			continue
		}
		for _, spec := range f.ast.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// within gives the folders of this module that a package imports.
func (p *pkg) within() []string {
	var out []string
	for _, name := range p.imports() {
		if dir, ok := strings.CutPrefix(name, module); ok {
			out = append(out, dir)
		}
	}
	return out
}

func (h *house) position(at token.Pos) string {
	p := h.fset.Position(at)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// plan writes down what house.golden keeps: each package with its lines, the
// packages it uses and the names it gives.
func (h *house) plan() string {
	var out strings.Builder
	h.each(func(p *pkg) {
		lines := 0
		names := map[string][]string{}
		own := false
		for _, f := range p.files {
			if f.test {
				continue
			}
			own = true
			if !f.generated {
				lines += f.lines
			}
			exported(f.ast, func(kind, name string) { names[kind] = append(names[kind], name) })
		}
		if !own {
			return
		}
		fmt.Fprintf(&out, "%s  %d lines\n", p.dir, (lines+50)/100*100)
		uses := p.within()
		for i := range uses {
			uses[i] = strings.TrimPrefix(uses[i], "internal/")
		}
		wrap(&out, "uses", uses)
		for _, kind := range []string{"const", "var", "type", "func"} {
			slices.Sort(names[kind])
			wrap(&out, kind, slices.Compact(names[kind]))
		}
		out.WriteString("\n")
	})
	return out.String()
}

func wrap(out *strings.Builder, title string, words []string) {
	line := fmt.Sprintf("  %-5s", title)
	for _, w := range words {
		if len(line)+len(w) > 110 {
			out.WriteString(line + "\n")
			line = strings.Repeat(" ", 7)
		}
		line += " " + w
	}
	if len(words) > 0 {
		out.WriteString(line + "\n")
	}
}

// exported reports the names a file gives; methods go with their types.
func exported(f *ast.File, report func(kind, name string)) {
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				report("func", d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						report("type", s.Name.Name)
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() {
							report(d.Tok.String(), n.Name)
						}
					}
				}
			}
		}
	}
}

// difference gives the first lines that only one of two texts has.
func difference(old, now string) string {
	had, has := map[string]bool{}, map[string]bool{}
	for s := bufio.NewScanner(strings.NewReader(old)); s.Scan(); {
		had[s.Text()] = true
	}
	var out []string
	for s := bufio.NewScanner(strings.NewReader(now)); s.Scan(); {
		has[s.Text()] = true
		if !had[s.Text()] {
			out = append(out, "+ "+s.Text())
		}
	}
	for s := bufio.NewScanner(strings.NewReader(old)); s.Scan(); {
		if !has[s.Text()] {
			out = append(out, "- "+s.Text())
		}
	}
	return strings.Join(out[:min(len(out), 40)], "\n")
}
