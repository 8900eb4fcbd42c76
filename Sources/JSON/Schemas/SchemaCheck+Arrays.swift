extension SchemaCheck {
    mutating func follows(_ array: JSONValue, _ schema: ArraySchema) throws(WorkStopped) -> Bool {
        var (fits, contains, count) = (true, schema.contains == nil, 0)
        for element in array.elements {
            if isOver(fits) { return false }
            path.append(.element(count))
            if let number = count < schema.first.count ? schema.first[count] : schema.rest, try !self.fits(element, number) { fits = false }
            if !contains, let number = schema.contains { contains = try reason(element, number) == nil }
            path.removeLast()
            count += 1
        }
        try budget.spend(count)
        if !contains { fits = add("has no element that the schema asks for with contains") }
        if let maximum = schema.maximum, count > maximum { fits = add("has \(count) elements, more than \(maximum)") }
        if let minimum = schema.minimum, count < minimum { fits = add("has \(count) elements, fewer than \(minimum)") }
        if schema.isUnique, count > 1, let (one, other) = try equals(array) { fits = add("elements \(one) and \(other) are equal") }
        return fits
    }

    /// The indexes of two equal elements.
    private mutating func equals(_ array: JSONValue) throws(WorkStopped) -> (Int, Int)? {
        let all: JSONHashes
        if let hashes { all = hashes } else { all = try JSONHashes(array.document, budget) }
        hashes = all
        let count = try array.count(budget)
        let memory = PlaceTable.memory(room: count)
        try budget.take(bytes: memory)
        defer { budget.giveBack(bytes: memory) }
        var found = PlaceTable(room: count)
        for (place, element) in array.elements.enumerated() {
            try budget.spend(1)
            // The table holds indexes of nodes, from which values are found at once.
            let other = try found.put(element.index, all[element]) { (index) throws(WorkStopped) in
                let other = JSONValue(document: element.document, index: index)
                if all[other] != all[element] { return false }
                return try areEqual(element, other)
            }
            guard let other else { continue }
            return (array.elements.prefix { $0.index != other }.count, place)
        }
        return nil
    }
}
