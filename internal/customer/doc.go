// Package customer is the people who have ordered from a shop.
//
// A shop's customer is known by their phone number, or by their e-mail address
// as long as they have given no number: two orders under one number are one
// customer's. [Record] is called in the transaction that places an order and
// keeps how much each has ordered. Nobody signs in here; customers are what a
// merchant sees.
package customer

import (
	"embed"

	"haat/internal/db"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the room's tables.
var Schema = db.Schema("customer", schemaFiles)
