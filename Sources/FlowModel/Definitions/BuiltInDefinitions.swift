/// The definitions that every server has. They are documents like any other; nobody can replace them.
public enum BuiltInDefinitions {
    /// No rules: what a flow type has that nobody defined.
    public static let open = "open"
    public static let unifiedDiscovery = "unified_discovery"

    /// By type. Their names are ASCII, so that texts and bytes are the same.
    public static let documents = [open: openDocument, unifiedDiscovery: unifiedDiscoveryDocument]

    public static func isBuiltIn(_ flowType: String) -> Bool { record(flowType) != nil }

    static let openDocument = """
        {"flow_type": "open", "description": "No rules: any phase, any status, any state.", "on_save": "off"}
        """
}
