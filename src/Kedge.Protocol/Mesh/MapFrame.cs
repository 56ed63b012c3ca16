using System.Text.Json;
using Kedge.Protocol.Api;

namespace Kedge.Protocol.Mesh;

/// <summary>What a frame of the map stream is. The names on the wire are these in lower case.</summary>
public enum MapFrameType
{
    /// <summary>A type of a later version: to be ignored.</summary>
    Unknown,

    /// <summary>The first of every stream: whose revisions and whose sequence follow.</summary>
    Open,

    /// <summary>A snapshot begins: what is not put before the next commit is gone.</summary>
    Snapshot,

    /// <summary>A resource has this value.</summary>
    Put,

    /// <summary>A resource is gone.</summary>
    Remove,

    /// <summary>Everything since the last commit holds from now on, all at once.</summary>
    Commit,

    /// <summary>Nothing else has happened, and the stream is alive.</summary>
    Bookmark,

    /// <summary>The controller asks whether somebody reads this stream. The answer is the question's identifier.</summary>
    Question,

    /// <summary>Whether other machines use this node's keys at the same time.</summary>
    Duplicates,

    /// <summary>
    /// A peer wants a direct path to this node, or has answered that. It belongs to no revision and to no commit: it may come at any time.
    /// </summary>
    Introduction,

    /// <summary>
    /// The controller ends the stream on purpose: connect anew, at a random time within the spread. Or, with a reason, the node is told why it
    /// gets no more.
    /// </summary>
    Bye,
}

/// <summary>
/// A frame of the map stream: one JSON object (RFC 8259) on a line. Members and types that are not known are ignored, so that old nodes
/// survive new controllers. It refers to the line's bytes.
/// </summary>
public readonly ref struct MapFrame
{
    private static readonly TimeSpan MaximumSpread = TimeSpan.FromHours(1);

    private MapFrame(MapFrameType type) => Type = type;

    /// <summary>What the frame is.</summary>
    public MapFrameType Type { get; private init; }

    /// <summary>The resource of <see cref="MapFrameType.Put"/> and <see cref="MapFrameType.Remove"/>; empty otherwise.</summary>
    public string Resource { get; private init; } = "";

    /// <summary>The value of <see cref="MapFrameType.Put"/> and <see cref="MapFrameType.Introduction"/>, JSON; empty otherwise.</summary>
    public ReadOnlySpan<byte> Value { get; private init; }

    /// <summary>The store and the epoch of <see cref="MapFrameType.Open"/>.</summary>
    public Guid Store { get; private init; }

    /// <inheritdoc cref="Store"/>
    public Guid Epoch { get; private init; }

    /// <summary>The revision of <see cref="MapFrameType.Commit"/> and <see cref="MapFrameType.Bookmark"/>.</summary>
    public long Revision { get; private init; }

    /// <summary>The number in the epoch's sequence, beside <see cref="Revision"/>.</summary>
    public long Sequence { get; private init; }

    /// <summary>How many nodes the zone has at <see cref="Revision"/>, the one that reads included: what finds out a map that is wrong.</summary>
    public long Count { get; private init; }

    /// <summary>The controller's clock, of <see cref="MapFrameType.Open"/> and <see cref="MapFrameType.Bookmark"/>.</summary>
    public DateTimeOffset Time { get; private init; }

    /// <summary>
    /// The identifier of <see cref="MapFrameType.Question"/>; of <see cref="MapFrameType.Introduction"/>, that of the node that asks.
    /// </summary>
    public Guid Id { get; private init; }

    /// <summary>The addresses of <see cref="MapFrameType.Duplicates"/> from which other machines connect; null for none.</summary>
    public string? From { get; private init; }

    /// <summary>The time of <see cref="MapFrameType.Bye"/> within which to come back.</summary>
    public TimeSpan Spread { get; private init; }

    /// <summary>Why <see cref="MapFrameType.Bye"/> ends the stream; none where the controller itself ends.</summary>
    public RefusalReason Reason { get; private init; }

    /// <summary>Reads a line, with or without its line feed.</summary>
    /// <param name="line">The line.</param>
    /// <param name="frame">The frame.</param>
    /// <param name="reason">What is wrong with the line, as a sentence.</param>
    /// <returns>False for what is no frame: not JSON, or a member that its type needs is missing or out of range.</returns>
    public static bool TryParse(ReadOnlySpan<byte> line, out MapFrame frame, out string reason)
    {
        try
        {
            frame = Read(line);
            reason = frame.WhatIsMissing() ?? "";
            return reason.Length == 0;
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or OverflowException)
        {
            frame = default;
            reason = "It is not a frame in JSON.";
            return false;
        }
    }

    private static MapFrame Read(ReadOnlySpan<byte> line)
    {
        var reader = new Utf8JsonReader(line);
        var frame = new MapFrame(MapFrameType.Unknown);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            frame = frame.WithMember(line, ref reader);
        // Nothing but white space may follow: the reader throws at anything else.
        reader.Read();
        return frame;
    }

    private MapFrame WithMember(ReadOnlySpan<byte> line, scoped ref Utf8JsonReader reader)
    {
        MapFrame frame = this;
        if (reader.ValueTextEquals("type"u8))
            return frame with { Type = ReadType(ref reader) };
        if (reader.ValueTextEquals("resource"u8))
            return frame with { Resource = Next(ref reader).GetString() ?? "" };
        if (reader.ValueTextEquals("value"u8))
            return frame with { Value = ReadValue(line, ref reader) };
        if (reader.ValueTextEquals("store"u8))
            return frame with { Store = Next(ref reader).GetGuid() };
        if (reader.ValueTextEquals("epoch"u8))
            return frame with { Epoch = Next(ref reader).GetGuid() };
        if (reader.ValueTextEquals("revision"u8))
            return frame with { Revision = Next(ref reader).GetInt64() };
        if (reader.ValueTextEquals("sequence"u8))
            return frame with { Sequence = Next(ref reader).GetInt64() };
        if (reader.ValueTextEquals("count"u8))
            return frame with { Count = Next(ref reader).GetInt64() };
        if (reader.ValueTextEquals("time"u8))
            return frame with { Time = Next(ref reader).GetDateTimeOffset() };
        if (reader.ValueTextEquals("id"u8))
            return frame with { Id = Next(ref reader).GetGuid() };
        if (reader.ValueTextEquals("from"u8))
            return frame with { From = Next(ref reader).GetString() };
        if (reader.ValueTextEquals("spread"u8))
            return frame with { Spread = TimeSpan.FromSeconds(Math.Clamp(Next(ref reader).GetDouble(), 0, MaximumSpread.TotalSeconds)) };
        if (reader.ValueTextEquals("reason"u8))
            return frame with { Reason = RefusalReasons.Parse(Next(ref reader).GetString()) };
        reader.Skip();
        return frame;
    }

    // From a member's name to its value.
    private static ref Utf8JsonReader Next(ref Utf8JsonReader reader)
    {
        reader.Read();
        return ref reader;
    }

    private static MapFrameType ReadType(ref Utf8JsonReader reader) => Next(ref reader).GetString() switch
    {
        "open" => MapFrameType.Open,
        "snapshot" => MapFrameType.Snapshot,
        "put" => MapFrameType.Put,
        "remove" => MapFrameType.Remove,
        "commit" => MapFrameType.Commit,
        "bookmark" => MapFrameType.Bookmark,
        "question" => MapFrameType.Question,
        "duplicates" => MapFrameType.Duplicates,
        "introduction" => MapFrameType.Introduction,
        "bye" => MapFrameType.Bye,
        _ => MapFrameType.Unknown,
    };

    private static ReadOnlySpan<byte> ReadValue(ReadOnlySpan<byte> line, scoped ref Utf8JsonReader reader)
    {
        int start = (int)Next(ref reader).TokenStartIndex;
        reader.Skip();
        return line[start..(int)reader.BytesConsumed];
    }

    private string? WhatIsMissing() => Type switch
    {
        MapFrameType.Open when Store == Guid.Empty || Epoch == Guid.Empty => "A stream that opens names its store and its epoch.",
        MapFrameType.Put or MapFrameType.Remove when Resource.Length == 0 => "It names no resource.",
        MapFrameType.Put when Value.IsEmpty => "It has no value.",
        MapFrameType.Introduction when Id == Guid.Empty => "It does not say which node asks.",
        MapFrameType.Introduction when Value.IsEmpty => "It has no value.",
        MapFrameType.Commit or MapFrameType.Bookmark when Revision <= 0 || Sequence < 0 || Count < 0 => "It says no revision.",
        _ => null,
    };
}
