package jobs

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"convbatch/client"
	"convbatch/pipeline"
)

// Written are the datasets of the job with the rows that it writes: without the
// columns that it leaves out. Readers know those of Datasets.
func (j Job) Written() []Dataset {
	sets := j.Datasets()
	for i, set := range sets {
		if k := j.Keep.of(set); k != nil {
			sets[i].Row = reflect.Zero(k.to).Interface()
		}
	}
	return sets
}

// Keeping is a sink that is given of each record what the job keeps.
func (j Job) Keeping(sink pipeline.Sink) pipeline.Sink {
	keepers := map[string]*keeper{}
	for _, set := range j.Datasets() {
		if k := j.Keep.of(set); k != nil {
			keepers[set.Name] = k
		}
	}
	if len(keepers) == 0 {
		return sink
	}
	return keepingSink{sink, keepers}
}

type keepingSink struct {
	pipeline.Sink
	keepers map[string]*keeper // by dataset
}

// Commit commits what is kept. What it was given stays as it is.
func (s keepingSink) Commit(ctx context.Context, c pipeline.Commit) error {
	c.Outcomes = slices.Clone(c.Outcomes)
	for i := range c.Outcomes {
		c.Outcomes[i].Records = s.kept(c.Outcomes[i].Records)
	}
	c.Records = s.kept(c.Records)
	return s.Sink.Commit(ctx, c)
}

func (s keepingSink) kept(records []pipeline.Record) []pipeline.Record {
	records = slices.Clone(records)
	for i, r := range records {
		if k := s.keepers[r.Dataset]; k != nil {
			records[i].Row = k.row(r.Row)
		}
	}
	return records
}

// keeper makes of a dataset's rows those that are written.
type keeper struct {
	secret client.Secret
	to     reflect.Type // a struct with the columns that are kept
	fields []keptField
}

type keptField struct {
	from   int // the field of the dataset's row
	hashed bool
	number bool // it names somebody on a channel, by a phone number mostly
}

// of returns the keeper of a dataset, nil when its rows stay as they are.
func (k Keep) of(set Dataset) *keeper {
	kept := &keeper{}
	if k.Hash != nil {
		kept.secret = k.Hash.Secret
	}
	changed := false
	var fields []reflect.StructField
	for i, c := range set.Columns() {
		out, hashed := slices.Contains(k.LeftOut(), c.Name), slices.Contains(k.Hashed(), c.Name)
		changed = changed || out || hashed
		if out {
			continue
		}
		fields = append(fields, c.field)
		kept.fields = append(kept.fields, keptField{i, hashed, strings.HasPrefix(c.Name, "identit")})
	}
	if !changed {
		return nil
	}
	kept.to = reflect.StructOf(fields)
	return kept
}

// row returns a pointer to what is kept of a row, which may be a pointer as well.
func (k *keeper) row(row any) any {
	from, kept := reflect.Indirect(reflect.ValueOf(row)), reflect.New(k.to)
	for i, f := range k.fields {
		value := from.Field(f.from)
		if f.hashed {
			value = k.hashed(value, f.number)
		}
		kept.Elem().Field(i).Set(value)
	}
	return kept.Interface()
}

// hashed is a value with its texts hashed; of a struct, those that are personal.
func (k *keeper) hashed(v reflect.Value, number bool) reflect.Value {
	hashed := reflect.New(v.Type()).Elem()
	hashed.Set(v)
	switch v.Kind() {
	case reflect.String:
		text := v.String()
		if number {
			text = canonical(text)
		}
		hashed.SetString(keyedHash(k.secret, text))
	case reflect.Slice:
		hashed.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			hashed.Index(i).Set(k.hashed(v.Index(i), number))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if columnOf(v.Type().Field(i)).Personal {
				hashed.Field(i).Set(k.hashed(v.Field(i), number))
			}
		}
	default: // Keep.check lets none through
		panic(fmt.Sprintf("a %s can not be hashed", v.Type()))
	}
	return hashed
}

// keyedHash is HMAC-SHA-256 of a text in hexadecimal digits; of none it is none.
func keyedHash(secret client.Secret, text string) string {
	if text == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// isKeyedHash says that a text has the form of a keyed hash, which no channel
// gives to its identities.
func isKeyedHash(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

// SecretCheck tells keys of hashes apart without giving away more than any hash
// does; "" where nothing is hashed.
func (k Keep) SecretCheck() string {
	if k.Hash == nil {
		return ""
	}
	const digits = 8
	return keyedHash(k.Hash.Secret, "batch: which key is it?")[:digits]
}
