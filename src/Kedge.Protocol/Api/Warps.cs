namespace Kedge.Protocol.Api;

/// <summary>A port that a listener is to open, or has opened.</summary>
public sealed record WarpOpening
{
    /// <summary>The connector that connections go to: the common name of its certificate.</summary>
    public required string Uid { get; init; }

    /// <summary>The TCP port that callers connect to; 0 for any that is free.</summary>
    public required int Port { get; init; }

    /// <summary>Where the connector connects them to, such as <c>127.0.0.1:22</c>.</summary>
    public required string Target { get; init; }

    /// <summary>The address that callers connect to; null for what the listener was told at its start.</summary>
    public string? Address { get; init; }
}

/// <summary>A port that a listener has opened, and what it has carried.</summary>
public sealed record WarpPortEntry
{
    /// <summary>The TCP port that callers connect to.</summary>
    public required int Port { get; init; }

    /// <summary>The address that callers connect to.</summary>
    public required string Address { get; init; }

    /// <summary>The connector that connections go to.</summary>
    public required string Uid { get; init; }

    /// <summary>Where the connector connects them to.</summary>
    public required string Target { get; init; }

    /// <summary>Whether the connector is there.</summary>
    public required bool Connected { get; init; }

    /// <summary>Why the port is not open; null if it is.</summary>
    public string? Failure { get; init; }

    /// <summary>Connections that are there now.</summary>
    public required int ActiveConnections { get; init; }

    /// <summary>Connections since it was opened, or the listener started.</summary>
    public required long Connections { get; init; }

    /// <summary>Connections of them that came to nothing, because no connector was there or it did not reach the target.</summary>
    public required long FailedConnections { get; init; }

    /// <summary>Bytes that callers have sent.</summary>
    public required long BytesIn { get; init; }

    /// <summary>Bytes that callers were sent.</summary>
    public required long BytesOut { get; init; }
}

/// <summary>A connector that is connected to a listener.</summary>
public sealed record WarpConnectorEntry
{
    /// <summary>The common name of its certificate.</summary>
    public required string Uid { get; init; }

    /// <summary>Where it was last heard from.</summary>
    public required string Address { get; init; }

    /// <summary>What it speaks: <c>kedge-warp/1</c>, or <c>hq-29</c> as socket-warp does.</summary>
    public required string Protocol { get; init; }

    /// <summary>Since when it is connected.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>The time to it and back, in milliseconds.</summary>
    public required double RoundTripMilliseconds { get; init; }

    /// <summary>Connections that go through it now.</summary>
    public required int ActiveConnections { get; init; }
}

/// <summary>What a listener has.</summary>
/// <param name="Ports">Its ports, in order.</param>
/// <param name="Connectors">The connectors that are there, in order.</param>
public sealed record WarpState(IReadOnlyList<WarpPortEntry> Ports, IReadOnlyList<WarpConnectorEntry> Connectors);
