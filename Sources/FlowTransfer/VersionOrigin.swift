import FlowModel
import FlowStateClient
import JSON

/// What a client cannot set for a version that it imports (its number, when there are gaps, its time, its actor, its event), as a member of
/// the version's metadata.
package enum VersionOrigin {
    package static let member = "flowstate_archive"

    /// The metadata to import a version with: its own, with one member more. Metadata that is not an object goes into that member. If the
    /// member exists already, from an earlier import, the metadata stays as it is.
    ///
    /// - Returns: nil when that would be more than servers take.
    package static func metadata(of info: VersionInfo, limits: Limits) -> [UInt8]? {
        // Longer metadata is not parsed, which would take many times its length.
        guard info.metadata.count <= limits.metadataBytes else { return nil }
        let metadata = metadata(of: info, try? JSONDocument(info.metadata, maximumDepth: limits.jsonDepth).root)
        guard metadata.count <= limits.metadataBytes else { return nil }
        return JSONText.fault(in: metadata, maximumDepth: limits.jsonDepth) == nil ? metadata : nil
    }

    /// Metadata to import a version with when there is no room for its origin. The metadata of a reported error may exceed what a client
    /// can save: then the error's details are left out, which are in the state too where the definition has a place for them.
    package static func shortened(_ info: VersionInfo, limits: Limits) -> [UInt8] {
        guard info.metadata.count > limits.metadataBytes, info.event == .errorReported,
            let document = try? JSONDocument(info.metadata, maximumDepth: limits.jsonDepth), document.root.kind == .object,
            let patch = try? JSONDocument(Array(#"{"details":null}"#.utf8), maximumDepth: 1)
        else { return info.metadata }
        var short = info
        do {
            short.metadata = try MergePatch.apply(patch, to: document, budget: WorkBudget(steps: limits.work))
        } catch {
            return info.metadata
        }
        return metadata(of: short, limits: limits) ?? short.metadata
    }

    private static func metadata(of info: VersionInfo, _ root: JSONValue?) -> [UInt8] {
        if info.metadata.isEmpty { return object(info, []) }
        // What is not JSON becomes a string.
        guard let root else { return object(info, JSONString.spell(String(decoding: info.metadata, as: UTF8.self))) }
        guard root.kind == .object else { return object(info, Array(root.text)) }
        if root[member] != nil { return info.metadata }
        let separator = root.isEmpty ? "" : ","
        return root.text.dropLast() + Array((separator + spelled(info, []) + "}").utf8)
    }

    /// - Parameter other: JSON that is not an object; empty for none.
    private static func object(_ info: VersionInfo, _ other: [UInt8]) -> [UInt8] { Array(("{" + spelled(info, other) + "}").utf8) }

    private static func spelled(_ info: VersionInfo, _ other: [UInt8]) -> String {
        var fields = JSONObjectText()
        fields.add("version", json: "\(info.version)")
        fields.add("parent_version", json: "\(info.parentVersion)")
        fields.add("event", info.event.name)
        fields.add("actor", info.actor)
        if let time = info.createdAt { fields.add("created_at", time.text) }
        fields.add("metadata", json: other)
        var object = JSONObjectText()
        object.add(member, json: fields.text)
        return String(object.text.dropFirst().dropLast())
    }
}
