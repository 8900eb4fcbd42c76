import ArgumentParser

/// A length of time on the command line: a whole number and its unit, such as `90s`, `15m`, `24h` or `7d`.
struct TimeSpan: ExpressibleByArgument, Equatable {
    let duration: Duration

    init?(argument: String) {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let unit = argument.last.flatMap({ units[$0] }), argument.dropLast().utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int64(argument.dropLast()), count <= Int64.max / 86_400
        else { return nil }
        duration = .seconds(count * unit)
    }
}
