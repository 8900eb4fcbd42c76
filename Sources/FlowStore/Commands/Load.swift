import FlowModel

extension LoadCommand: StoreCommand {
    public func prepare(_ resources: StoreResources) throws(StateError) -> PreparedCommand<LoadOutcome> {
        try StateCheck(limits: resources.limits).check(self)
        return PreparedCommand(LoadOperation(self, resources))
    }
}
