/// The definitions that every server has. They are documents like any other, except that they cannot be replaced.
public enum BuiltInDefinitions {
    /// No rules: applies to a flow type without a definition of its own.
    public static let open = "open"
    public static let unifiedDiscovery = "unified_discovery"

    /// By type. The types are ASCII, so equal strings have equal bytes.
    public static let documents = [open: openDocument, unifiedDiscovery: unifiedDiscoveryDocument]

    public static func isBuiltIn(_ flowType: String) -> Bool { record(flowType) != nil }

    static let openDocument = """
        {"flow_type": "open", "description": "No rules: any phase, any status, any state.", "on_save": "off"}
        """
}
