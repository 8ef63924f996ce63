package emulator

import "strconv"

// pen writes the content of one message: numbers drawn from the message's own
// stream, JSON in the message's own style.
type pen struct {
	writer
	stream
	escape bool // unicode as \u
	newer  bool
}

// quote writes one of the given phrases.
func (p *pen) quote(from []phrase) {
	chosen := &from[p.below(len(from))]
	if p.escape {
		p.raw(chosen.escaped)
		return
	}
	p.raw(chosen.plain)
}

// words writes a text of one to four phrases.
func (p *pen) words() {
	p.quote(phrases)
	for range p.below(4) {
		p.b[len(p.b)-1] = ' ' // in place of the closing quote
		at := len(p.b)
		p.quote(phrases)
		p.b = append(p.b[:at], p.b[at+1:]...)
	}
}

// link writes a URL, with slashes escaped here and there.
func (p *pen) link(ending string) {
	if p.oneIn(6) {
		p.raw(`"https:\/\/media.example.com\/`)
	} else {
		p.raw(`"https://media.example.com/`)
	}
	p.b = strconv.AppendUint(p.b, p.next()>>24, 36)
	p.raw(ending)
	p.raw(`"`)
}

// textIn writes {"text": …}.
func (p *pen) textIn() {
	p.open()
	p.key("text")
	p.words()
	p.close()
}

func (p *pen) label(name string) {
	p.key(name)
	p.quote(titles)
}

func (p *pen) url(name, ending string) {
	p.key(name)
	p.link(ending)
}

func (p *pen) code(name, prefix string) {
	p.key(name)
	p.raw(`"`)
	p.raw(prefix)
	p.b = strconv.AppendInt(p.b, int64(p.below(1e6)), 10)
	p.raw(`"`)
}

// degrees writes a number as encoders differ about it: with trailing zeros, as
// an integer, with an exponent.
func (p *pen) degrees(name string, limit int) {
	p.key(name)
	n := p.below(2*limit) - limit
	p.number(int64(n))
	switch p.below(4) {
	case 0:
		p.raw(".50")
	case 1:
		p.raw("e0")
	case 2:
		p.raw(".")
		p.number(int64(1_000_000 + p.below(8_999_999)))
	}
}

func (p *pen) place() {
	p.open()
	p.key("coordinates").open()
	p.degrees("latitude", 90)
	p.degrees("longitude", 180)
	p.close()
	p.label("title")
	if p.oneIn(2) {
		p.label("label")
	}
	p.close()
}

func (p *pen) media(captions bool) {
	p.open()
	if captions {
		p.key("caption")
		p.words()
	}
	p.url("url", []string{".jpg", ".png", "/v%C3%A5r.pdf", ".mp4?sig=a%2Bb&x=1"}[p.below(4)])
	if !captions && p.oneIn(2) {
		p.url("thumbnail_url", ".jpg")
	}
	p.close()
}

func (p *pen) choice() {
	p.open()
	switch p.below(4) {
	case 0:
		p.key("text_message").open()
		p.label("text")
		p.close()
	case 1:
		p.key("url_message").open()
		p.label("title")
		p.url("url", "")
		p.close()
	case 2:
		p.key("call_message").open()
		p.key("phone_number").raw(`"46850000000"`)
		p.label("title")
		p.close()
	default:
		p.key("location_message")
		p.place()
	}
	if p.oneIn(2) {
		p.code("postback_data", "pb_")
	}
	p.close()
}

func (p *pen) choices(most int) {
	p.key("choices").openList()
	for range 1 + p.below(most) {
		p.item()
		p.choice()
	}
	p.closeList()
}

func (p *pen) card() {
	p.open()
	p.label("title")
	p.key("description")
	p.quote(phrases)
	if p.oneIn(2) {
		p.key("height").raw(`"MEDIUM"`)
	}
	p.key("media_message").open()
	p.url("url", ".jpg")
	p.close()
	p.choices(2)
	p.close()
}

// appMessage writes what an app says to a contact: any of the types, half of
// them text.
func (p *pen) appMessage() {
	p.open()
	switch p.below(20) {
	case 0:
		p.key("card_message")
		p.card()
	case 1, 2:
		p.key("media_message")
		p.media(false)
	case 3:
		p.key("location_message")
		p.place()
	case 4, 5:
		p.key("choice_message").open()
		p.key("text_message")
		p.textIn()
		p.choices(3)
		p.close()
	case 6:
		p.carousel()
	case 7:
		p.listMessage()
	case 8, 9:
		p.template()
	case 10:
		p.contactInfo()
	default:
		p.key("text_message")
		p.textIn()
	}
	p.close()
}

func (p *pen) carousel() {
	p.key("carousel_message").open()
	p.key("cards").openList()
	for range 2 {
		p.item()
		p.card()
	}
	p.closeList()
	if p.oneIn(2) {
		p.choices(2)
	}
	p.close()
}

func (p *pen) listMessage() {
	p.key("list_message").open()
	p.label("title")
	p.key("sections").openList()
	for range 1 + p.below(2) {
		p.item().open()
		p.label("title")
		p.key("items").openList()
		for range 1 + p.below(3) {
			p.item().open()
			p.key("choice").open()
			p.label("title")
			p.code("postback_data", "li_")
			p.close()
			p.close()
		}
		p.closeList()
		p.close()
	}
	p.closeList()
	p.key("message_properties").open()
	p.label("menu")
	p.close()
	p.close()
}

func (p *pen) template() {
	p.key("template_message").open()
	p.key("omni_template").open()
	p.code("template_id", "tpl_")
	p.key("version").raw(`"1"`)
	p.key("language_code").raw(`"sv-SE"`)
	p.key("parameters").open()
	p.label("name")
	p.code("body[0]text", "")
	p.close()
	p.close()
	p.close()
}

func (p *pen) contactInfo() {
	if !p.newer {
		p.key("text_message")
		p.textIn()
		return
	}
	p.key("contact_info_message").open()
	p.key("name").open()
	p.key("full_name").raw(`"Åsa Öberg"`)
	p.close()
	p.key("phone_numbers").openList()
	p.item().open()
	p.key("phone_number").raw(`"+46850000000"`)
	p.key("type").raw(`"WORK"`)
	p.close()
	p.closeList()
	p.close()
}

// contactMessage writes what a contact says to an app.
func (p *pen) contactMessage() {
	p.open()
	switch p.below(20) {
	case 0, 1:
		p.key("media_message")
		p.media(false)
	case 2:
		p.key("location_message")
		p.place()
	case 3, 4:
		p.key("choice_response_message").open()
		p.code("message_id", "01HZZZZZZZZZZZZZZZZZ")
		p.code("postback_data", "pb_")
		p.close()
	case 5:
		p.fallback()
	case 6:
		p.key("media_card_message")
		p.media(true)
	case 7:
		p.productResponse()
	default:
		p.key("text_message")
		p.textIn()
	}
	if p.oneIn(12) {
		p.key("reply_to").open()
		p.code("message_id", "01HZZZZZZZZZZZZZZZZZ")
		p.close()
	}
	p.close()
}

func (p *pen) fallback() {
	p.key("fallback_message").open()
	p.key("raw_message").raw(`"{\"type\":\"sticker\",\"id\":\"\u007b77\u007d\"}"`)
	p.key("reason").open()
	p.key("code").raw(`"MEDIA_TYPE_UNSUPPORTED"`)
	p.key("description").raw(`"stickers are not supported"`)
	p.key("sub_code").raw(`"UNSPECIFIED_SUB_CODE"`)
	p.close()
	p.close()
}

func (p *pen) productResponse() {
	if !p.newer {
		p.fallback()
		return
	}
	p.key("product_response_message").open()
	p.key("products").openList()
	for range 1 + p.below(2) {
		p.item().open()
		p.code("id", "sku-")
		p.key("marketplace").raw(`"FACEBOOK"`)
		p.key("quantity").number(int64(1 + p.below(5)))
		p.key("item_price").raw("149.90")
		p.key("currency").raw(`"SEK"`)
		p.close()
	}
	p.closeList()
	p.label("title")
	p.code("catalog_id", "")
	p.close()
}
