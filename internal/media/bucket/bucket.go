// Package bucket keeps media in a bucket of a server that speaks S3, so that
// all processes of a platform see the same pictures.
//
// An object's name is the address's prefix and the blob's key. Credentials
// are never part of an address, an error or a log. Every call ends within a
// minute. A bucket that does not answer is left alone for a second, in which
// calls fail at once.
package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"haat/internal/fault"
	"haat/internal/media"
)

const (
	connectFor = 3 * time.Second
	answerFor  = 10 * time.Second // until an answer begins
	whole      = time.Minute      // one call, with all that is read of it
	openFor    = 15 * time.Second // looking at the bucket at a start
	rest       = time.Second      // after a call that got no answer
)

// Address says where a bucket is.
type Address struct {
	Bucket, Prefix string // the prefix without slashes around it; may be empty
	Endpoint       *url.URL
	Region         string // may be empty: the server is asked
}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$`)
)

// Is reports whether a text is meant as the address of a bucket.
func Is(text string) bool { return strings.HasPrefix(text, "s3:") }

// Parse reads s3://bucket/prefix?endpoint=https://host:port&region=name. The
// prefix, the endpoint (that of Amazon) and the region may be left out.
func Parse(text string) (a Address, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Opaque != "" {
		return a, errors.New("give it as s3://bucket/prefix?endpoint=https://host&region=name")
	}
	if u.User != nil {
		return a, errors.New("an address holds no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	a.Bucket, a.Prefix = u.Host, strings.Trim(u.Path, "/")
	if !bucketName.MatchString(a.Bucket) {
		return a, fmt.Errorf("%q is no bucket's name", a.Bucket)
	}
	if a.Prefix != "" && (len(a.Prefix) > 200 || !prefixName.MatchString(a.Prefix)) {
		return a, fmt.Errorf("the prefix %q must be of letters, digits, \"-\", \"_\", \".\" and \"/\"", a.Prefix)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return a, errors.New("give it as s3://bucket/prefix?endpoint=https://host&region=name")
	}
	for name := range q {
		if name != "endpoint" && name != "region" {
			return a, fmt.Errorf("there is no %q, only endpoint and region", name)
		}
	}
	a.Region = q.Get("region")
	endpoint := q.Get("endpoint")
	if endpoint == "" {
		endpoint = "https://s3.amazonaws.com"
	}
	a.Endpoint, err = url.Parse(endpoint)
	if err != nil || a.Endpoint.Scheme != "http" && a.Endpoint.Scheme != "https" || a.Endpoint.Hostname() == "" ||
		strings.Trim(a.Endpoint.Path, "/") != "" || a.Endpoint.RawQuery != "" || a.Endpoint.User != nil {
		return a, errors.New("the endpoint must be http://host or https://host, with a port if it needs one")
	}
	a.Endpoint.Path = ""
	return a, nil
}

// String gives the address as Parse reads it, always in the same way.
func (a Address) String() string {
	s := "s3://" + a.Bucket
	if a.Prefix != "" {
		s += "/" + a.Prefix
	}
	q := "endpoint=" + a.Endpoint.Scheme + "://" + a.Endpoint.Host
	if a.Region != "" {
		q += "&region=" + url.QueryEscape(a.Region)
	}
	return s + "?" + q
}

// Keys are the credentials.
type Keys struct {
	Access, Secret string
	Session        string // of temporary ones
}

// Bucket implements media.Store.
type Bucket struct {
	c       minio.Core
	at      Address
	prefix  string
	idle    func()
	resting atomic.Int64 // no call before, in nanoseconds since 1970
}

// Open looks whether the bucket is there and may be read, listed and written
// to; its error is one line that says what is wrong. It leaves an object
// named .haat.
func Open(ctx context.Context, at Address, keys Keys) (*Bucket, error) {
	if keys.Access == "" || keys.Secret == "" {
		return nil, errors.New("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: a bucket is not opened without keys")
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectFor, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   connectFor,
		ResponseHeaderTimeout: answerFor,
		MaxIdleConnsPerHost:   64,
		MaxConnsPerHost:       256,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true,
	}
	c, err := minio.NewCore(at.Endpoint.Host, &minio.Options{
		Creds: credentials.NewStaticV4(keys.Access, keys.Secret, keys.Session), Secure: at.Endpoint.Scheme == "https",
		Transport: transport, Region: at.Region, MaxRetries: 3,
	})
	if err != nil {
		return nil, err
	}
	b := &Bucket{c: *c, at: at, idle: transport.CloseIdleConnections}
	if at.Prefix != "" {
		b.prefix = at.Prefix + "/"
	}
	ctx, cancel := context.WithTimeout(ctx, openFor)
	defer cancel()
	if err := b.look(ctx); err != nil {
		b.idle()
		return nil, err
	}
	return b, nil
}

// look tries everything that a platform needs of its bucket.
func (b *Bucket) look(ctx context.Context) error {
	for o := range b.c.ListObjectsIter(ctx, b.at.Bucket, minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true, MaxKeys: 1}) {
		if o.Err != nil {
			return b.plain("list", o.Err)
		}
		break
	}
	const note = "Pictures of a haat platform.\n"
	if _, err := b.put(ctx, b.prefix+".haat", []byte(note), "text/plain"); err != nil {
		return b.plain("write to", err)
	}
	r, _, _, err := b.c.GetObject(ctx, b.at.Bucket, b.prefix+".haat", minio.GetObjectOptions{})
	if err != nil {
		return b.plain("read", err)
	}
	got, err := io.ReadAll(io.LimitReader(r, 1024))
	if err = errors.Join(err, r.Close()); err != nil {
		return b.plain("read", err)
	}
	if string(got) != note {
		return fmt.Errorf("%s gave back something else than was written to it", b.at)
	}
	return nil
}

// plain says in one line why the bucket cannot be used.
func (b *Bucket) plain(what string, err error) error {
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		var u *url.Error
		if errors.As(err, &u) { // its own text repeats the whole address
			err = u.Err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("no answer")
		}
		return fmt.Errorf("%s://%s cannot be reached: %w", b.at.Endpoint.Scheme, b.at.Endpoint.Host, err)
	}
	switch r.Code {
	case minio.NoSuchBucket:
		return fmt.Errorf("there is no bucket %q at %s", b.at.Bucket, b.at.Endpoint.Host)
	case "InvalidAccessKeyId", "XAdminUserNotFound": // the latter is versitygw's
		return fmt.Errorf("%s does not know the key of AWS_ACCESS_KEY_ID", b.at.Endpoint.Host)
	case "SignatureDoesNotMatch":
		return fmt.Errorf("%s refuses the key of AWS_SECRET_ACCESS_KEY: it does not belong to that of AWS_ACCESS_KEY_ID", b.at.Endpoint.Host)
	case minio.AccessDenied:
		return fmt.Errorf("%s does not let these keys %s the bucket %q", b.at.Endpoint.Host, what, b.at.Bucket)
	}
	return fmt.Errorf("%s cannot %s the bucket %q: %s (%s, HTTP status %d)", b.at.Endpoint.Host, what, b.at.Bucket, strings.Join(strings.Fields(r.Message), " "), r.Code, r.StatusCode)
}

// String gives the address.
func (b *Bucket) String() string { return b.at.String() }

// Close lets go of idle connections.
func (b *Bucket) Close() error {
	b.idle()
	return nil
}

// begin readies a call, or refuses it while the bucket rests.
func (b *Bucket) begin(ctx context.Context, key string) (context.Context, context.CancelFunc, error) {
	if err := media.CheckKey(key); err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if time.Now().UnixNano() < b.resting.Load() {
		return nil, nil, away(errors.New("it did not answer a moment ago"))
	}
	ctx, cancel := context.WithTimeout(ctx, whole)
	return ctx, cancel, nil
}

func away(err error) error {
	return fault.Busy(10*time.Second, "Pictures cannot be saved or fetched just now. Everything else goes on; try again in a moment.").With("media-away").Because(err)
}

// failed gives an error of a call as the contract of Store wants it. caller
// is the context that the call came with.
func (b *Bucket) failed(caller context.Context, what, key string, err error) error {
	var r minio.ErrorResponse
	answered := errors.As(err, &r)
	switch {
	case err == nil:
		return nil
	case caller.Err() != nil:
		return fmt.Errorf("%s %s: %w", what, key, caller.Err())
	case answered && r.Code == minio.NoSuchKey, answered && r.StatusCode == http.StatusNotFound && r.Code != minio.NoSuchBucket:
		return fault.NotFound("There is no such picture.").Because(err)
	case !answered || r.StatusCode >= 500:
		b.resting.Store(time.Now().Add(rest).UnixNano())
	}
	return away(fmt.Errorf("%s %s: %w", what, key, b.plain(what, err)))
}

// Put implements media.Store.
func (b *Bucket) Put(ctx context.Context, key string, data []byte) error {
	mine, cancel, err := b.begin(ctx, key)
	if err != nil {
		return err
	}
	defer cancel()
	kind := "application/octet-stream"
	switch {
	case strings.HasSuffix(key, ".webp"):
		kind = "image/webp"
	case strings.HasSuffix(key, ".json"):
		kind = "application/json"
	}
	_, err = b.put(mine, b.prefix+key, data, kind)
	return b.failed(ctx, "write to", key, err)
}

func (b *Bucket) put(ctx context.Context, name string, data []byte, kind string) (minio.UploadInfo, error) {
	return b.c.Client.PutObject(ctx, b.at.Bucket, name, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{
		ContentType: kind, SendContentMd5: true, DisableMultipart: true,
	})
}

// Size implements media.Store.
func (b *Bucket) Size(ctx context.Context, key string) (int64, error) {
	mine, cancel, err := b.begin(ctx, key)
	if err != nil {
		return 0, err
	}
	defer cancel()
	i, err := b.c.StatObject(mine, b.at.Bucket, b.prefix+key, minio.StatObjectOptions{})
	return i.Size, b.failed(ctx, "read", key, err)
}

// Delete implements media.Store.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	mine, cancel, err := b.begin(ctx, key)
	if fault.Is(err, fault.KindNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer cancel()
	err = b.failed(ctx, "delete from", key, b.c.RemoveObject(mine, b.at.Bucket, b.prefix+key, minio.RemoveObjectOptions{}))
	if fault.Is(err, fault.KindNotFound) {
		return nil
	}
	return err
}

// Walk implements media.Store: a page of a thousand objects at a time.
func (b *Bucket) Walk(ctx context.Context, fn func(key string, size int64) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range b.c.ListObjectsIter(ctx, b.at.Bucket, minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true}) {
		if o.Err != nil {
			return b.failed(ctx, "list", b.prefix, o.Err)
		}
		key := strings.TrimPrefix(o.Key, b.prefix)
		if media.CheckKey(key) != nil {
			continue // not ours
		}
		if err := fn(key, o.Size); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Open implements media.Store. The object is read as it is wanted, with one
// request unless somebody jumps about in it.
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadSeekCloser, time.Time, error) {
	mine, cancel, err := b.begin(ctx, key)
	if err != nil {
		return nil, time.Time{}, err
	}
	body, i, _, err := b.c.GetObject(mine, b.at.Bucket, b.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		cancel()
		return nil, time.Time{}, b.failed(ctx, "read", key, err)
	}
	return &object{b: b, caller: ctx, ctx: mine, cancel: cancel, key: key, etag: i.ETag, size: i.Size, body: body}, i.LastModified, nil
}

// object is one that is being read.
type object struct {
	b           *Bucket
	caller, ctx context.Context
	cancel      context.CancelFunc
	key, etag   string
	size        int64
	at          int64         // where the next Read begins
	body        io.ReadCloser // nil after a jump
	read        int64         // where body is
}

func (o *object) Read(p []byte) (int, error) {
	if o.at >= o.size {
		return 0, io.EOF
	}
	if o.body != nil && o.read != o.at {
		o.body.Close()
		o.body = nil
	}
	if o.body == nil {
		opts := minio.GetObjectOptions{}
		err := errors.Join(opts.SetRange(o.at, o.size-1), opts.SetMatchETag(o.etag))
		if err == nil {
			o.body, _, _, err = o.b.c.GetObject(o.ctx, o.b.at.Bucket, o.b.prefix+o.key, opts)
		}
		if err != nil {
			o.body = nil
			return 0, o.b.failed(o.caller, "read", o.key, err)
		}
		o.read = o.at
	}
	n, err := o.body.Read(p)
	o.read += int64(n)
	o.at = o.read
	switch {
	case err == io.EOF && o.at < o.size:
		err = o.b.failed(o.caller, "read", o.key, io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF:
		err = o.b.failed(o.caller, "read", o.key, err)
	}
	return n, err
}

func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return o.at, errors.New("seek before the beginning")
	}
	o.at = offset
	return offset, nil
}

func (o *object) Close() error {
	defer o.cancel()
	if o.body == nil {
		return nil
	}
	return o.body.Close()
}
