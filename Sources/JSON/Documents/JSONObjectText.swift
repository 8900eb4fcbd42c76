/// Builds the text of a JSON object.
package struct JSONObjectText {
    private var members: [String] = []

    package init() {}

    package mutating func add(_ name: String, _ string: String) {
        add(name, json: String(decoding: JSONString.spell(string), as: UTF8.self))
    }

    package mutating func add(_ name: String, json: String) {
        members.append(String(decoding: JSONString.spell(name), as: UTF8.self) + ":" + json)
    }

    package mutating func add(_ name: String, json: [UInt8]) { if !json.isEmpty { add(name, json: String(decoding: json, as: UTF8.self)) } }

    package var text: String { "{" + members.joined(separator: ",") + "}" }
}
