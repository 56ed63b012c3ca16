namespace Kedge.Node.Streams;

/// <summary>Where frames come from, for the one thread that receives them.</summary>
internal interface IFrameSource
{
    /// <summary>Whether nothing more comes. Any thread.</summary>
    bool IsBroken { get; }

    /// <summary>Reads what has come, and waits for it where nothing has.</summary>
    /// <param name="bytes">Receives it; not empty.</param>
    /// <returns>How many bytes; 0 if nothing more comes.</returns>
    int Read(Span<byte> bytes);

    /// <summary>Ends it, and <see cref="Read"/>. Any thread.</summary>
    void Break();
}
