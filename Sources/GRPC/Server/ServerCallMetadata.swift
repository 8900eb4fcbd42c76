import HTTP2

/// The metadata of a call's response (PROTOCOL-HTTP2.md, Responses: Custom-Metadata).
extension ServerCall {
    /// Adds a method's own fields to the response: to its header section, and to its trailers. To be called before the first message and the
    /// status; later it changes the trailers only.
    package func addMetadata(_ initial: Metadata = Metadata(), trailing: Metadata = Metadata()) {
        onLoop { call in
            guard !call.state.isOver else { return }
            call.withStreaming {
                $0.headFields += initial.fields
                $0.trailerFields += trailing.fields
            }
        }
    }

    func sendHead() {
        let head = answerCompression.map(ResponseFields.head) ?? ResponseFields.head
        connection?.respond(id, head + (streaming?.headFields ?? []), endStream: false)
    }

    func sendTrailers(_ status: Status) {
        guard let connection else { return }
        connection.finish(id, connection.trailers(status) + (streaming?.trailerFields ?? []))
    }
}
