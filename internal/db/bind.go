package db

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"time"
)

// bind turns arguments, in place, into what both engines take: nil, string,
// []byte, int64 and bool. A time becomes microseconds since 1970, or 0 when
// it is the zero time; a nil pointer becomes NULL.
func bind(args []any) error {
	for i, a := range args {
		v, err := bindOne(a)
		if err != nil {
			return fmt.Errorf("argument $%d: %w", i+1, err)
		}
		args[i] = v
	}
	return nil
}

func bindOne(a any) (any, error) {
	switch v := a.(type) {
	case nil, string, []byte, int64, bool:
		return v, nil
	case int:
		return int64(v), nil
	case time.Time:
		return micros(v), nil
	case driver.Valuer:
		if r := reflect.ValueOf(a); r.Kind() == reflect.Pointer && r.IsNil() {
			return nil, nil
		}
		w, err := v.Value()
		if err != nil {
			return nil, err
		}
		if _, again := w.(driver.Valuer); again {
			return nil, fmt.Errorf("a %T gives another valuer", a)
		}
		return bindOne(w)
	}
	switch v := reflect.ValueOf(a); v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return bindOne(v.Elem().Interface())
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(v.Uint()), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("cannot store a %T", a)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// adapt replaces, in place, pointers to times by scanners of microseconds.
func adapt(places []any) {
	for i, p := range places {
		switch p := p.(type) {
		case *time.Time:
			places[i] = (*microTime)(p)
		case **time.Time:
			places[i] = &nullTime{p}
		}
	}
}

type microTime time.Time

func (m *microTime) Scan(src any) error {
	us, ok := src.(int64)
	if !ok && src != nil {
		return fmt.Errorf("cannot read a %T as a time", src)
	}
	if us == 0 {
		*m = microTime{}
	} else {
		*m = microTime(time.UnixMicro(us).UTC())
	}
	return nil
}

type nullTime struct{ p **time.Time }

func (n *nullTime) Scan(src any) error {
	if src == nil {
		*n.p = nil
		return nil
	}
	var m microTime
	if err := m.Scan(src); err != nil {
		return err
	}
	t := time.Time(m)
	*n.p = &t
	return nil
}
