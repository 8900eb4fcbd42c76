/// The definitions that every server has. They are documents like any other, except that they cannot be replaced.
package enum BuiltInDefinitions {
    /// No rules: applies to a flow type without a definition of its own.
    package static let open = "open"
    package static let unifiedDiscovery = "unified_discovery"

    /// By type. The types are ASCII, so equal strings have equal bytes.
    package static let documents = [open: openDocument, unifiedDiscovery: unifiedDiscoveryDocument]

    package static func isBuiltIn(_ flowType: String) -> Bool { record(flowType) != nil }

    static let openDocument = """
        {"flow_type": "open", "description": "No rules: any phase, any status, any state.", "on_save": "off"}
        """
}
