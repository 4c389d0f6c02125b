package catalog

import (
	"context"
	"fmt"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/op"
)

// Collections, for the shop's own people.
var (
	ListCollections = op.Read[op.Page, op.List[Collection]]{Name: "catalog.list-collections", Route: "GET /collections", Role: op.Merchant,
		Summary: "List collections", Run: func(ctx context.Context, r db.Reader, in op.Page) (out op.List[Collection], err error) {
			all, err := Collections(ctx, r)
			if err != nil {
				return out, err
			}
			return op.Slice(all, in)
		}}
	GetCollection = op.Read[CollectionIn, CollectionDetails]{Name: "catalog.get-collection", Route: "GET /collections/{collection}", Role: op.Merchant,
		Summary: "Get a collection with its products", Run: func(ctx context.Context, r db.Reader, in CollectionIn) (CollectionDetails, error) {
			c, err := collectionID(in.Collection)
			if err != nil {
				return CollectionDetails{}, err
			}
			return collectionDetails(ctx, r, c)
		}}
	CreateCollection = op.Write[NewCollection, CollectionDetails]{Name: "catalog.create-collection", Route: "POST /collections", Role: op.Merchant, Created: true,
		Summary: "Create a collection", Run: func(ctx context.Context, tx *db.Tx, in NewCollection) (CollectionDetails, error) {
			if in.Body.Title == nil {
				return CollectionDetails{}, fault.Invalid("/title", "Give the collection a title.")
			}
			return saveCollection(ctx, tx, Collection{}, in.Body)
		}}
	UpdateCollection = op.Write[CollectionChange, CollectionDetails]{Name: "catalog.update-collection", Route: "PATCH /collections/{collection}", Role: op.Merchant,
		Summary: "Change a collection: only what is given", Run: func(ctx context.Context, tx *db.Tx, in CollectionChange) (CollectionDetails, error) {
			cid, err := collectionID(in.Collection)
			if err != nil {
				return CollectionDetails{}, err
			}
			if err := tx.Alone(ctx, rules); err != nil {
				return CollectionDetails{}, err
			}
			c, err := ReadCollection(ctx, tx, cid)
			if err != nil {
				return CollectionDetails{}, err
			}
			return saveCollection(ctx, tx, c, in.Body)
		}}
	RemoveCollection = op.Write[CollectionIn, op.Empty]{Name: "catalog.delete-collection", Route: "DELETE /collections/{collection}", Role: op.Merchant,
		Summary: "Delete a collection; its products stay", Run: func(ctx context.Context, tx *db.Tx, in CollectionIn) (op.Empty, error) {
			c, err := collectionID(in.Collection)
			if err != nil {
				return op.Empty{}, err
			}
			return op.Empty{}, DeleteCollection(ctx, tx, c)
		}}
)

// CollectionIn names a collection.
type CollectionIn struct {
	Collection string `path:"collection"`
}

// CollectionInput is what may be given of a collection.
type CollectionInput struct {
	Title       *string       `json:"title,omitempty" maxLength:"255"`
	Handle      *string       `json:"handle,omitempty" maxLength:"255"`
	Description *string       `json:"description,omitempty" maxLength:"5000"`
	Sort        *Sort         `json:"sort,omitempty" enum:"manual,newest,price-asc,price-desc,title"`
	Rule        *Rule         `json:"rule,omitempty" doc:"Makes it a collection by rule"`
	Products    *[]id.Product `json:"products,omitempty" maxItems:"5000" doc:"Makes it a list by hand, in this order"`
}

// NewCollection is a new collection.
type NewCollection struct {
	op.By
	Body CollectionInput
}

// CollectionChange changes a collection.
type CollectionChange struct {
	op.By
	Collection string `path:"collection"`
	Body       CollectionInput
}

// CollectionDetails is a collection and what is in it.
type CollectionDetails struct {
	Collection
	Members []id.Product `json:"product_ids" nullable:"false" doc:"The first 5,000"`
}

func collectionID(text string) (id.Collection, error) {
	var c id.Collection
	if err := c.UnmarshalText([]byte(text)); err != nil || c.Zero() {
		return c, fault.NotFound("There is no such collection.")
	}
	return c, nil
}

func saveCollection(ctx context.Context, tx *db.Tx, c Collection, in CollectionInput) (CollectionDetails, error) {
	set(&c.Title, in.Title)
	set(&c.Handle, in.Handle)
	set(&c.Sort, in.Sort)
	if in.Description != nil {
		c.Description = Sanitise(*in.Description)
	}
	if in.Rule != nil && in.Products != nil {
		return CollectionDetails{}, fault.Invalid("/rule", "A collection has a rule or a list of products, not both.")
	}
	var members []id.Product
	switch {
	case in.Rule != nil:
		c.Rule = in.Rule
	case in.Products != nil:
		c.Rule, members = nil, append([]id.Product{}, *in.Products...)
	}
	if err := SaveCollection(ctx, tx, &c, members); err != nil {
		return CollectionDetails{}, err
	}
	return collectionDetails(ctx, tx, c.ID)
}

func collectionDetails(ctx context.Context, r db.Reader, cid id.Collection) (out CollectionDetails, err error) {
	if out.Collection, err = ReadCollection(ctx, r, cid); err != nil {
		return out, err
	}
	out.Members, err = Members(ctx, r, cid)
	if err != nil {
		return out, fmt.Errorf("read the members of a collection: %w", err)
	}
	if out.Members == nil {
		out.Members = []id.Product{}
	}
	return out, nil
}
