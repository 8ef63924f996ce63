package emulator

import "fmt"

// friendTable: the sender that was never sent in has changes alone. The first
// has more templates than a page has when nothing is asked.
var friendTable = []struct {
	key, name, state, status string
	activities, templates    int
}{
	{"@batchshop", "배치 상점", "ACTIVE", "", 6, 60},
	{"@batchclub", "배치 클럽", "BLOCKED", "IN_PROGRESS", 3, 4},
	{"@batchnew", "새 가게", "", "DRAFT", 1, 0},
}

func (m *maker) kakaotalk(n *node) {
	categories := n.at("categories", "senders")
	categories.items = senderCategories()
	for _, row := range friendTable {
		details := fields{
			"adminPhoneNo": "0101" + m.digits()[:7], "name": row.name, "logoImage": "https://example.com/logo.png",
			"topLevelCategoryCode": "001", "midLevelCategoryCode": "0011", "subLevelCategoryCode": "0111",
		}
		sender := fields{"plusFriendId": row.key, "id": m.uuid(), "created": m.past(300), "modified": m.past(20)}
		if row.state != "" {
			sender["state"], sender["details"] = row.state, details
		}
		if row.status != "" {
			sender["changes"] = fields{"status": row.status, "details": details}
		}
		one := n.at("senders").add(row.key, sender)
		m.activities(one, row.activities, "ACTIVE", "COMMENT_ADDED", "EDITED")
		list := one.at("templates")
		for i := range row.templates {
			m.kakaotalkTemplate(list, i)
		}
		categories.at(row.key, "templates").items = templateCategories()
	}
}

// kakaotalkTemplate adds a template; codes and names rise with i.
func (m *maker) kakaotalkTemplate(n *node, i int) {
	name := fmt.Sprintf("%s %03d", []string{"notice", "order"}[i/30%2], i)
	details := fields{
		"language": "KO", "messageType": "BASIC", "emphasizeType": "EMPHASIZE_TYPE_NONE", "categoryCode": "999999", "securityFlag": false,
		"name": name, "content": "#{이름}님, 주문이 완료되었습니다.\n감사합니다 😊",
		"buttons": []fields{{"ordering": 1, "type": "WEB_LINK", "name": "보기", "linkMo": "https://example.com/m"}},
	}
	code := fmt.Sprintf("TPL_%04d", i)
	template := fields{"code": code, "id": m.uuid(), "created": m.past(200), "modified": m.past(i)}
	switch {
	case i%10 == 9:
		template["changes"] = fields{"status": "DRAFT", "details": details}
	case i%10 == 4:
		template["state"], template["details"] = "REJECTED", details
	default:
		template["state"], template["details"] = "APPROVED", details
	}
	m.activities(n.add(code, template), i%3, "COMMENT_ADDED", "IN_PROGRESS")
}

// senderCategories is a tree, three deep.
func senderCategories() []any {
	var top []any
	for i, name := range []string{"금융", "쇼핑"} {
		code := fmt.Sprintf("%03d", i+1)
		var middle []any
		for j := range 2 {
			mid := fmt.Sprintf("%s%d", code, j+1)
			sub := fmt.Sprintf("0%d%d1", i+1, j+1)
			middle = append(middle, senderCategory(code, mid, 2, name+" 중분류", []any{senderCategory(mid, sub, 3, name+" 소분류", []any{})}))
		}
		top = append(top, senderCategory("", code, 1, name, middle))
	}
	return top
}

func senderCategory(parent, code string, depth int, name string, below []any) fields {
	return fields{"parentCode": parent, "depth": depth, "code": code, "name": name, "subcategories": below}
}

func templateCategories() []any {
	var list []any
	for i, row := range [][2]string{{"회원", "Membership"}, {"구매", "Purchase"}, {"예약", "Reservation"}, {"배송", "Shipping"}, {"기타", "Others"}} {
		list = append(list, fields{"name": row[0], "nameEnglish": row[1], "subcategories": []fields{{
			"code": fmt.Sprintf("%06d", 1001+i), "name": row[0], "nameEnglish": row[1], "groupName": row[0],
			"inclusion": "포함", "exclusion": "제외",
		}}})
	}
	return list
}
