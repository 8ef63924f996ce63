package sinks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// text is a value as people and CSV have it; NULL is "". Lists, structs and
// maps are JSON.
func text(v any, typ string) (string, error) {
	switch x := v.(type) {
	case nil:
		return "", nil
	case string:
		if typ != "JSON" {
			return x, nil
		}
	case bool:
		return strconv.FormatBool(x), nil
	case float64:
		return float(x, 64), nil
	case float32:
		return float(float64(x), 32), nil
	case time.Time:
		return instant(x, typ), nil
	case []byte:
		if typ == "UUID" && len(x) == 16 {
			id := duckdb.UUID(x)
			return id.String(), nil
		}
		return base64.StdEncoding.EncodeToString(x), nil
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64, *big.Int:
		return fmt.Sprint(x), nil
	case duckdb.Decimal:
		return decimal(x), nil
	case duckdb.Interval:
		return interval(x), nil
	}
	encoded, err := encode(plain(v, typ))
	return string(encoded), err
}

// plain turns a value into one that encoding/json writes as it should be:
// exact numbers, times in UTC, bytes in base64, what JSON has no number for as null.
func plain(v any, typ string) any {
	switch x := v.(type) {
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
	case float32:
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil
		}
	case time.Time:
		return instant(x, typ)
	case duckdb.Decimal:
		return json.Number(decimal(x))
	case *big.Int:
		return json.Number(x.String())
	case duckdb.Interval:
		return interval(x)
	case []byte:
		s, _ := text(x, typ) // of bytes: never an error
		return s
	case duckdb.UUID:
		return x.String()
	case duckdb.Union:
		return plain(x.Value, "")
	case []any:
		all := make([]any, len(x))
		for i, element := range x {
			all[i] = plain(element, elementType(typ))
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(x))
		for name, value := range x {
			all[name] = plain(value, "")
		}
		return all
	case duckdb.OrderedMap:
		return plainMap(x)
	}
	return v
}

// plainMap makes an object of a map, whose keys may be of any type.
func plainMap(m duckdb.OrderedMap) any {
	all := make(map[string]any, m.Len())
	values := m.Values()
	for i, key := range m.Keys() {
		name, err := text(key, "")
		if err != nil {
			name = fmt.Sprint(key)
		}
		all[name] = plain(values[i], "")
	}
	return all
}

func elementType(typ string) string {
	element, _ := strings.CutSuffix(typ, "[]")
	return element
}

// encode is json.Marshal that leaves <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write a value as JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func float(f float64, bits int) string {
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.FormatFloat(f, 'g', -1, bits)
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}

// decimal writes all places of the type, as SQL does.
func decimal(d duckdb.Decimal) string {
	digits := new(big.Int).Abs(d.Value).String()
	scale := int(d.Scale)
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	if scale > 0 {
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if d.Value.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}

func instant(t time.Time, typ string) string {
	t = t.UTC()
	switch {
	case typ == "DATE":
		return t.Format(time.DateOnly)
	case strings.HasPrefix(typ, "TIMESTAMP") && typ != "TIMESTAMP WITH TIME ZONE" && typ != "TIMESTAMPTZ":
		return t.Format("2006-01-02T15:04:05.999999999")
	case strings.HasPrefix(typ, "TIME") && !strings.HasPrefix(typ, "TIMESTAMP"):
		return t.Format("15:04:05.999999999")
	}
	return t.Format(time.RFC3339Nano)
}

func interval(i duckdb.Interval) string {
	var parts []string
	if i.Months != 0 {
		parts = append(parts, fmt.Sprintf("%d months", i.Months))
	}
	if i.Days != 0 {
		parts = append(parts, fmt.Sprintf("%d days", i.Days))
	}
	if i.Micros != 0 || len(parts) == 0 {
		parts = append(parts, (time.Duration(i.Micros) * time.Microsecond).String())
	}
	return strings.Join(parts, " ")
}
