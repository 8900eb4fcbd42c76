import FlowModel
import Postgres

extension StateStore {
    /// Removes uploads that no version has, a day (`Limits.uploadHours`) after they were last touched: those that broke off and were not
    /// resumed, and those whose versions retention has removed. Call it from time to time; several servers may do so at once.
    ///
    /// - Returns: how many were removed.
    @discardableResult
    package func removeUploads(batch: Int = 100) async throws(StateError) -> Int {
        var removed = 0
        var place = (tenant: "", flowID: "", reference: [UInt8]())
        while !Task.isCancelled {
            var parameters = parameters(place)
            parameters.append(PurgeAge.seconds(hours: limits.uploadHours))
            parameters.append(Int64(batch))
            var found = try await rowsInBackground(UploadSQL.abandon, parameters) { rows, row throws(PostgresError) in
                (tenant: try rows.text(row, 0), flowID: try rows.text(row, 1), reference: try rows.bytes(row, 2))
            }
            for upload in found { try await removeParts(parameters: self.parameters(upload)) }
            removed += found.count
            if found.count < batch { break }
            found.sort { left, right in
                let names = [(left.tenant, right.tenant), (left.flowID, right.flowID)]
                for (left, right) in names where !left.hasSameBytes(as: right) { return left.utf8.lexicographicallyPrecedes(right.utf8) }
                return left.reference.lexicographicallyPrecedes(right.reference)
            }
            place = found.last ?? place
        }
        return removed
    }

    /// A few at a time: each is a megabyte.
    private func removeParts(parameters: Parameters) async throws(StateError) {
        let portion: Int64 = 16
        while !Task.isCancelled {
            var parameters = parameters
            parameters.append(portion)
            let counts = try await rowsInBackground(UploadSQL.remove, parameters) { rows, row throws(PostgresError) in
                try rows.int64(row, 0)
            }
            if counts.first ?? 0 < portion { break }
        }
    }

    private func parameters(_ place: (tenant: String, flowID: String, reference: [UInt8])) -> Parameters {
        var parameters = Parameters()
        parameters.append(place.tenant)
        parameters.append(place.flowID)
        parameters.append(bytes: place.reference)
        return parameters
    }
}
