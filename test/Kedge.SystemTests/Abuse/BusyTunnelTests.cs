namespace Kedge.SystemTests.Abuse;

/// <summary>Tests that share a <see cref="BusyTunnel"/>, and take turns.</summary>
[CollectionDefinition(Name)]
public class BusyTunnelTests : ICollectionFixture<BusyTunnel>
{
    public const string Name = "busy tunnel";
}
