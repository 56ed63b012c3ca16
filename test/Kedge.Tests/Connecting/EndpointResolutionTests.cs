using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Connecting;

/// <summary>What stands behind the names of endpoints.</summary>
public class EndpointResolutionTests
{
    [Fact]
    public async Task An_address_stands_for_itself()
    {
        EndpointName name = EndpointName.TryParse("[fe90::3%7]:9999")!;
        Assert.Equal([Endpoint.Parse("[fe90::3%7]:9999")], await name.ResolveAsync(TestContext.Current.CancellationToken));
        Assert.Equal(Endpoint.Parse("[fe90::3%7]:9999"), name.ResolveLocal());
    }

    [Fact]
    public void An_interface_stands_for_its_index() // which is 1 in every network namespace for this one
        => Assert.Equal(Endpoint.Parse("[fe80::1%1]:9999"), EndpointName.TryParseLocal("[fe80::1%lo]:9999")!.ResolveLocal());

    [Fact]
    public void An_interface_that_is_not_there_is_named()
    {
        UserError error = Assert.Throws<UserError>(() => EndpointName.TryParseLocal("[fe80::1%absent-0]:9999")!.ResolveLocal());
        Assert.Contains("[fe80::1%absent-0]:9999: there is no interface 'absent-0'", error.Message, StringComparison.Ordinal);
    }
}
