package db

import (
	"database/sql"
	"fmt"
	"reflect"

	sqlite3 "github.com/ncruces/go-sqlite3"
)

// scanRow puts the columns of the current row into places.
func scanRow(s *sqlite3.Stmt, places []any) error {
	if n := s.ColumnCount(); n != len(places) {
		return fmt.Errorf("%d columns into %d places", n, len(places))
	}
	for i, p := range places {
		if err := scanColumn(s, i, p); err != nil {
			return fmt.Errorf("column %q: %w", s.ColumnName(i), err)
		}
	}
	return nil
}

func scanColumn(s *sqlite3.Stmt, i int, place any) error {
	null := s.ColumnType(i) == sqlite3.NULL
	switch p := place.(type) {
	case *[]byte:
		if null {
			*p = nil
		} else {
			*p = s.ColumnBlob(i, make([]byte, 0, 64))
		}
		return nil
	case sql.Scanner:
		return p.Scan(sqliteValue(s, i))
	case **string:
		if *p = nil; !null {
			v := s.ColumnText(i)
			*p = &v
		}
		return nil
	case **int64:
		if *p = nil; !null {
			v := s.ColumnInt64(i)
			*p = &v
		}
		return nil
	case **bool:
		if *p = nil; !null {
			v := s.ColumnBool(i)
			*p = &v
		}
		return nil
	}
	if null {
		return fmt.Errorf("NULL cannot be read into a %T", place)
	}
	switch p := place.(type) {
	case *string:
		*p = s.ColumnText(i)
		return nil
	case *int64:
		*p = s.ColumnInt64(i)
		return nil
	case *int:
		*p = s.ColumnInt(i)
		return nil
	case *bool:
		*p = s.ColumnBool(i)
		return nil
	}
	switch v := reflect.ValueOf(place).Elem(); v.Kind() {
	case reflect.String:
		v.SetString(s.ColumnText(i))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(s.ColumnInt64(i))
	case reflect.Bool:
		v.SetBool(s.ColumnBool(i))
	default:
		return fmt.Errorf("cannot read into a %T", place)
	}
	return nil
}

func sqliteValue(s *sqlite3.Stmt, i int) any {
	switch s.ColumnType(i) {
	case sqlite3.INTEGER:
		return s.ColumnInt64(i)
	case sqlite3.TEXT:
		return s.ColumnText(i)
	case sqlite3.BLOB:
		return s.ColumnBlob(i, make([]byte, 0, 16))
	case sqlite3.FLOAT:
		return s.ColumnFloat(i)
	}
	return nil
}
