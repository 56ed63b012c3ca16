using Kedge.Protocol;

namespace Kedge.Tests;

public class InstantTests
{
    [Fact]
    public void Never_stays_never() => Assert.Equal(Instant.Never, Instant.Never + TimeSpan.FromSeconds(1));
}
