import CNGHTTP2
import NIOCore

// Called by nghttp2's callbacks: the session only notes events.

extension HTTP2Session {
    func beganHeaders(_ frame: UnsafePointer<nghttp2_frame>) {
        let id = frame.pointee.hd.stream_id
        if streams[id] == nil { streams.insert(id, Stream(id: id)) }
        isReadingTrailers = frame.pointee.headers.cat == NGHTTP2_HCAT_HEADERS
        if isReadingTrailers { trailerReader.begin() } else { openingReader.begin() }
        sections &+= 1
        openSection = sections
    }

    /// False when the rest of the section should not be read.
    func received(name: OpaquePointer, value: OpaquePointer) -> Bool {
        let goesOn = isReadingTrailers ? trailerReader.add(name: name, value: value) : openingReader.add(name: name, value: value)
        if !goesOn { openSection = nil }
        return goesOn
    }

    /// A frame's head arrived, which costs allowance; what the frame earns is added later.
    func began(_ hd: UnsafePointer<nghttp2_frame_hd>) {
        announcedBytes &+= Int(hd.pointee.length) + Self.frameHeadBytes
        // A section continues in CONTINUATION frames, whose number nghttp2 limits.
        if hd.pointee.type != UInt8(NGHTTP2_CONTINUATION.rawValue) { allowance.spend() }
    }

    /// Counts those of `count` received bytes that no frame has announced: nghttp2 silently skips frames of unknown types, and content of
    /// streams that are gone.
    func countIgnored(received count: Int) {
        receivedBytes &+= count
        let ignored = receivedBytes &- announcedBytes
        // The head of the next frame may be incomplete.
        guard ignored >= Self.frameHeadBytes else { return }
        announcedBytes = receivedBytes
        ignoredBytes.spend(ignored)
    }

    private static let frameHeadBytes = 9

    /// A frame was sent.
    func sentFrame(_ frame: UnsafePointer<nghttp2_frame>) {
        let hd = frame.pointee.hd
        switch nghttp2_frame_type(UInt32(hd.type)) {
        case NGHTTP2_DATA where hd.length >= FrameAllowance.leastContent: allowance.earn(FrameAllowance.content)
        case NGHTTP2_RST_STREAM where Self.offences.contains(HTTP2ErrorCode(rawValue: frame.pointee.rst_stream.error_code)):
            allowance.spend(FrameAllowance.offence)
        default: break
        }
    }

    /// Codes that reset a stream because of the peer's fault (CVE-2025-8671, "MadeYouReset").
    private static let offences: [HTTP2ErrorCode] = [
        .protocolError, .flowControlError, .streamClosed, .frameSizeError, .enhanceYourCalm,
    ]

    func received(data: UnsafeRawBufferPointer, stream id: StreamID) {
        allowance.earn(1)
        // nghttp2 passes content on where it lies in the input, so a slice of it needs no copy.
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
        openSection = nil
        let reader = isReadingTrailers ? trailerReader : openingReader
        guard let fields = reader.end() else {
            allowance.spend(FrameAllowance.offence)
            events.append(.headersTooLarge(id, reader.beginning))
            return
        }
        allowance.earn(1 + FrameAllowance.request)
        ignoredBytes.earn(streamWindow)
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
        ended(stream)
        events.append(.closed(id, code))
    }

    /// A stream is over; its queued content is dropped.
    func ended(_ stream: Stream) {
        pendingBytes -= stream.pendingBytes
        while let chunk = stream.popChunk() { spent(chunk) }
    }

    /// A buffer is not needed any more.
    func spent(_ buffer: consuming ByteBuffer) {
        if buffer.storageCapacity >= leastLargeBytes { letGo(buffer) }
    }
}
