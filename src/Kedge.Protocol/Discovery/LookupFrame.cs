using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>How an answer to a look-up ends.</summary>
internal enum LookupStatus : byte
{
    /// <summary>The node is known.</summary>
    Found,

    /// <summary>It is not.</summary>
    Unknown,
}

/// <summary>
/// A look-up: <c>question(8) hops(1) address(16) | length(2) record | length(2) certificate</c> of who asks, both empty where that is the sender.
/// </summary>
/// <param name="Question">What tells this look-up from all others, also where it goes in circles.</param>
/// <param name="Hops">How often it may be passed on.</param>
/// <param name="Address">Who has this address?</param>
internal readonly record struct LookupFrame(ulong Question, int Hops, IpAddress Address)
{
    /// <summary>How often one is passed on at most.</summary>
    public const int MaximumHops = 3;

    /// <summary>Reads one.</summary>
    public static bool TryRead(
        ReadOnlySpan<byte> body, out LookupFrame lookup, out ReadOnlySpan<byte> record, out ReadOnlySpan<byte> certificate)
    {
        var reader = new FrameReader(body);
        ulong question = reader.UInt64();
        int hops = reader.Byte();
        lookup = new LookupFrame(question, Math.Min(hops, MaximumHops), reader.Address());
        record = reader.Counted();
        certificate = reader.Counted();
        return reader.IsValid;
    }

    /// <summary>Its bytes.</summary>
    /// <param name="id">The id of the frame.</param>
    /// <param name="asker">Who asks, if that is not the sender.</param>
    public byte[] ToFrame(uint id, Member? asker)
    {
        FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Lookup, id);
        writer.AddUInt64(Question);
        writer.AddByte((byte)Hops);
        writer.AddAddress(Address);
        writer.AddCounted(asker?.Record is null ? [] : asker.Record.Bytes.Span);
        writer.AddCountedIfRoom(asker is null ? [] : asker.Certificate.Der.Span);
        return writer.ToFrame();
    }

    /// <summary>The answer to one: <c>question(8) status(1) | length(2) record | length(2) certificate</c>.</summary>
    public byte[] ToAnswer(uint id, Member? found)
    {
        FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Answer, id);
        writer.AddUInt64(Question);
        writer.AddByte((byte)(found is null ? LookupStatus.Unknown : LookupStatus.Found));
        writer.AddCounted(found is null ? [] : found.Record!.Bytes.Span);
        writer.AddCountedIfRoom(found is null ? [] : found.Certificate.Der.Span);
        return writer.ToFrame();
    }

    /// <summary>Reads an answer.</summary>
    public static bool TryReadAnswer(
        ReadOnlySpan<byte> body, out ulong question, out LookupStatus status, out ReadOnlySpan<byte> record, out ReadOnlySpan<byte> certificate)
    {
        var reader = new FrameReader(body);
        question = reader.UInt64();
        status = (LookupStatus)reader.Byte();
        record = reader.Counted();
        certificate = reader.Counted();
        return reader.IsValid;
    }
}
