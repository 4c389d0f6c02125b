package dashboard

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"haat/internal/catalog"
	"haat/internal/fault"
	"haat/internal/media"
)

// maxFields is how many bytes the fields of a form with files have together.
const maxFields = 8 << 20

// sent is what came in with a form: the pictures of each field, which are
// kept already, and what was wrong with others, by field.
type sent struct {
	pictures map[string][]media.Image
	problems Problems
}

// read takes a form in part by part, so that neither many fields nor large
// files are held in memory, and keeps the pictures in the fields named. The
// other fields are then found as those of any form.
func (d *desk) read(pictures ...string) (sent, error) {
	out := sent{map[string][]media.Image{}, Problems{}}
	parts, err := d.r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		if err := d.r.ParseForm(); err != nil {
			return out, unread(err)
		}
		return out, nil
	}
	if err != nil {
		return out, unread(err)
	}
	fields, left := url.Values{}, int64(maxFields)
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return out, unread(err)
		}
		name := part.FormName()
		if slices.Contains(pictures, name) {
			m, err := d.keep(part)
			switch f := wrong(err); {
			case f != nil:
				out.problems[name] = f.Message
			case err != nil:
				return out, err
			case m.Hash != "":
				out.pictures[name] = append(out.pictures[name], m)
			}
			continue
		}
		b, err := io.ReadAll(io.LimitReader(part, left+1))
		if err != nil {
			return out, unread(err)
		}
		if left -= int64(len(b)); left < 0 {
			return out, fault.TooLarge("", "What was typed into this form is longer than %d MB.", maxFields>>20)
		}
		fields.Add(name, string(b))
	}
	d.r.PostForm, d.r.Form = fields, url.Values{}
	for _, from := range []url.Values{fields, d.r.URL.Query()} {
		for name, values := range from {
			d.r.Form[name] = append(d.r.Form[name], values...)
		}
	}
	return out, nil
}

// unread says that a form could not be taken in.
func unread(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return fault.TooLarge("", "The files are larger than %d MB together.", large.Limit>>20)
	}
	return fault.Invalid("", "This form did not arrive whole. Please send it again.").Because(err)
}

// keep makes a file a picture of the shop; one without a byte, as browsers
// send for a field that was left empty, is none.
func (d *desk) keep(part *multipart.Part) (media.Image, error) {
	b, err := io.ReadAll(io.LimitReader(part, media.MaxBytes+1))
	if err != nil {
		return media.Image{}, unread(err)
	}
	if len(b) == 0 {
		return media.Image{}, nil
	}
	m, err := d.Pictures.Add(d.ctx(), d.room.Shop(), b)
	if err != nil {
		return m, err
	}
	return media.Keep.Do(d.ctx(), d.room, d.by, media.KeepIn{Image: m})
}

// shown is a picture of the shop as pages show it.
func (d *desk) shown(m media.Image) Image {
	return d.image(&catalog.Picture{Hash: m.Hash, Width: m.Width, Height: m.Height, Alt: m.Alt})
}

// uploadImage takes one picture while the editor is open, and answers with
// its place in the list.
func (d *desk) uploadImage() error {
	if p := d.r.PathValue("product"); p != "" {
		if _, err := catalog.GetProduct.Do(d.ctx(), d.room, d.by, catalog.ProductIn{Product: p}); err != nil {
			return err
		}
	}
	in, err := d.read("image")
	if err != nil {
		return err
	}
	if problem := in.problems["image"]; problem != "" {
		return fault.Invalid("/image", "%s", problem)
	}
	if len(in.pictures["image"]) == 0 {
		return fault.Invalid("/image", "There is no picture in this form.")
	}
	n, err := strconv.Atoi(d.form("position"))
	if err != nil {
		n = 1
	}
	return d.show(http.StatusCreated, d.shown(in.pictures["image"][0]).Edit(n))
}
