/// Builds the text of a JSON object.
package struct JSONObjectText {
    private var members = ""

    package init() {}

    package mutating func add(_ name: String, _ string: String) {
        begin(name)
        JSONString.spell(string, to: &members)
    }

    package mutating func add(_ name: String, json: String) {
        begin(name)
        members += json
    }

    package mutating func add(_ name: String, json: [UInt8]) { if !json.isEmpty { add(name, json: String(decoding: json, as: UTF8.self)) } }

    private mutating func begin(_ name: String) {
        if !members.isEmpty { members += "," }
        JSONString.spell(name, to: &members)
        members += ":"
    }

    package var text: String { "{" + members + "}" }
}
