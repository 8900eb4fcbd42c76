import CNGHTTP2
import NIOCore

// What nghttp2's callbacks tell the session: it notes events, and calls nobody.

extension HTTP2Session {
    func beganHeaders(_ frame: UnsafePointer<nghttp2_frame>) {
        let id = frame.pointee.hd.stream_id
        if streams[id] == nil { streams.insert(id, Stream(id: id)) }
        isReadingTrailers = frame.pointee.headers.cat == NGHTTP2_HCAT_HEADERS
        if isReadingTrailers { trailerReader.begin() } else { openingReader.begin() }
    }

    func received(name: OpaquePointer, value: OpaquePointer) {
        if isReadingTrailers {
            trailerReader.add(name: name, value: value)
        } else {
            openingReader.add(name: name, value: value)
        }
    }

    func received(data: UnsafeRawBufferPointer, stream id: StreamID) {
        // nghttp2 hands content on where it lies in the input, so a slice of it needs no copy.
        if let base = inputBase, let start = data.baseAddress, start >= base,
            let slice = input.getSlice(at: input.readerIndex + (start - base), length: data.count)
        {
            events.append(.data(id, slice))
        } else {
            events.append(.data(id, ByteBuffer(bytes: data)))
        }
    }

    func received(_ frame: UnsafePointer<nghttp2_frame>) {
        let hd = frame.pointee.hd
        let endStream = hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch nghttp2_frame_type(UInt32(hd.type)) {
        case NGHTTP2_HEADERS:
            receivedFields(hd.stream_id, category: frame.pointee.headers.cat, endStream: endStream)
        case NGHTTP2_DATA where endStream:
            events.append(.endStream(hd.stream_id))
        case NGHTTP2_SETTINGS where hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0:
            events.append(.settings)
        case NGHTTP2_PING where hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0:
            events.append(.pingAcknowledged)
        case NGHTTP2_GOAWAY:
            let goAway = frame.pointee.goaway
            events.append(.goAway(lastStreamID: goAway.last_stream_id, HTTP2ErrorCode(rawValue: goAway.error_code)))
        default:
            break
        }
    }

    private func receivedFields(_ id: StreamID, category: nghttp2_headers_category, endStream: Bool) {
        guard let fields = isReadingTrailers ? trailerReader.end() : openingReader.end() else {
            events.append(.headersTooLarge(id))
            return
        }
        // After a 1xx response the final one arrives in the trailers' category; only it has a :status.
        let isTrailers = category == NGHTTP2_HCAT_HEADERS && fields.first?.name != ":status"
        if isTrailers {
            events.append(.trailers(id, fields))
        } else if !(role == .client && fields.first?.value.hasPrefix("1") == true && fields.first?.value.count == 3) {
            events.append(.headers(id, fields, endStream: endStream))
        }
    }

    /// nghttp2 took `count` queued bytes of a stream.
    func sent(_ count: Int, of stream: Stream) {
        pendingBytes -= count
        if stream.reportsWritable, stream.pendingBytes <= highWaterMark / 2 {
            stream.reportsWritable = false
            events.append(.writable(stream.id))
        }
    }

    func closed(stream id: StreamID, code: HTTP2ErrorCode) {
        guard let stream = streams.remove(id) else { return }
        pendingBytes -= stream.pendingBytes
        events.append(.closed(id, code))
    }
}
