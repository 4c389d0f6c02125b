package api

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haat/internal/catalog"
	"haat/internal/fault"
	"haat/internal/media"
	"haat/internal/op"
)

func answer(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return ignoreGone(json.NewEncoder(w).Encode(v))
}

// ignoreGone drops the error of a caller who has hung up: the answer has
// begun, so nobody can be told.
func ignoreGone(error) error { return nil }

// file describes a form with a file and other fields.
func file(description string, fields map[string]*huma.Schema) *huma.RequestBody {
	s := &huma.Schema{Type: "object", Required: []string{"file"}, Properties: map[string]*huma.Schema{"file": {Type: "string", Format: "binary"}}}
	maps.Copy(s.Properties, fields)
	return &huma.RequestBody{Required: true, Description: description, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: s}}}
}

// answers describes an answer in JSON like v.
func answers(g *op.Registry, status, description string, v any) map[string]*huma.Response {
	return map[string]*huma.Response{status: {Description: description, Content: map[string]*huma.MediaType{"application/json": {Schema: g.Schema(v)}}}}
}

// AddTransfer adds the routes by which catalogues come in and go out.
func AddTransfer(g *op.Registry, m *catalog.Importer) {
	begin := op.Info{Name: "catalog.import", Method: "POST", Path: "/imports", Summary: "Import a Shopify product CSV", Role: op.Merchant, Kind: "flow"}
	g.Handle(begin, &huma.Operation{RequestBody: file("The CSV. The import runs in the background: follow it at /imports/{import}.",
		map[string]*huma.Schema{"format": {Type: "string", Enum: []any{"shopify"}}, "dry_run": {Type: "boolean"}}),
		Responses: answers(g, "202", "The import has begun", catalog.Started{})},
		func(w http.ResponseWriter, r *http.Request, c op.Call) error {
			out, err := receiveImport(r, c, m)
			if err != nil {
				return err
			}
			return answer(w, http.StatusAccepted, out)
		})
	g.Add(m.Operations()...)
}

// receiveImport reads the parts of a form as they come. The file goes to disk
// on the way, however large it is; fields that follow it are heeded too.
func receiveImport(r *http.Request, c op.Call, m *catalog.Importer) (catalog.Started, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return catalog.Started{}, fault.Invalid("/file", "Send the file as multipart/form-data, in a field named file.")
	}
	o := catalog.StartOptions{DryRun: r.URL.Query().Get("dry_run") == "true", Format: r.URL.Query().Get("format")}
	var kept *catalog.Upload
	defer func() {
		if kept != nil {
			kept.Drop()
		}
	}()
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return catalog.Started{}, cutOff(err)
		}
		switch name := part.FormName(); name {
		case "file":
			if kept != nil {
				return catalog.Started{}, fault.Invalid("/file", "Send one file at a time.")
			}
			o.Name = part.FileName()
			if kept, err = m.Keep(part); err != nil {
				return catalog.Started{}, cutOff(err)
			}
		case "format", "dry_run":
			text, err := field(part)
			if err != nil {
				return catalog.Started{}, cutOff(err)
			}
			if name == "format" {
				o.Format = text
			} else {
				o.DryRun = text == "true" || text == "1" || text == "on"
			}
		}
	}
	if kept == nil {
		return catalog.Started{}, fault.Invalid("/file", "There is no file in this form: send it in a field named file.")
	}
	out, err := m.Start(r.Context(), c.Room, c.By, kept, o)
	return out, err
}

func field(part *multipart.Part) (string, error) {
	b, err := io.ReadAll(io.LimitReader(part, 1000))
	return string(b), err
}

func cutOff(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return fault.TooLarge("/file", "A file has %d MB at most.", large.Limit>>20)
	}
	if fault.Of(err) != nil {
		return err
	}
	return fault.Invalid("/file", "The upload was cut off.").Because(err)
}

// Uploaded is a picture that came in.
type Uploaded struct {
	Hash   string `json:"hash" doc:"By which products and themes name it"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	URL    string `json:"url"`
	SrcSet string `json:"srcset" doc:"Its renditions, for the attribute of that name"`
}

// AddImages adds the route by which pictures come in.
func AddImages(g *op.Registry, l *media.Library) {
	i := op.Info{Name: "media.upload", Method: "POST", Path: "/images", Summary: "Upload a picture; products then name it by its hash", Role: op.Merchant, Kind: "flow"}
	g.Handle(i, &huma.Operation{RequestBody: file("A JPEG, PNG, GIF or WebP of 25 MB at most", nil), Responses: answers(g, "201", "The picture", Uploaded{})},
		func(w http.ResponseWriter, r *http.Request, c op.Call) error {
			form, err := r.MultipartReader()
			if err != nil {
				return fault.Invalid("/file", "Send the picture as multipart/form-data, in a field named file.")
			}
			for {
				part, err := form.NextPart()
				if err == io.EOF {
					return fault.Invalid("/file", "There is no picture in this form: send it in a field named file.")
				}
				if err != nil {
					return cutOff(err)
				}
				if part.FormName() != "file" && part.FormName() != "image" {
					continue
				}
				b, err := io.ReadAll(io.LimitReader(part, media.MaxBytes+1))
				if err != nil {
					return cutOff(err)
				}
				m, err := l.Add(r.Context(), c.Room.Shop(), b)
				if err != nil {
					return err
				}
				if m, err = media.Keep.Do(r.Context(), c.Room, c.By, media.KeepIn{Image: m}); err != nil {
					return err
				}
				return answer(w, http.StatusCreated, Uploaded{
					Hash: m.Hash, Width: m.Width, Height: m.Height, URL: media.URL(c.Room.Shop(), m.Hash, media.Nearest(m.Width, 960)), SrcSet: media.SrcSet(c.Room.Shop(), m),
				})
			}
		})
}
