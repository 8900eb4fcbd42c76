import FlowModel

extension SaveCommand: StoreCommand {
    public func prepare(_ resources: StoreResources) throws(StateError) -> PreparedCommand<SavedVersion> {
        try StateCheck(limits: resources.limits).check(self)
        return PreparedCommand(Change(key, resources, .save(SaveChange(self))))
    }
}
